#!/bin/sh
# The steps of the Dockerfile in a clean virtual environment, for machines without Docker: what the image would hold is
# installed, a token is made, the server is started as CMD does, and its health is asked as HEALTHCHECK does.
#   scripts/container_check.sh FOLDER
set -eu
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)
context="$work/context"
rm -rf "$context" "$work/data" "$work/venv"
mkdir -p "$context" "$work/data"
sed -n 's/^!//p' "$here/.dockerignore" | while read -r path; do cp -R "$here/$path" "$context"; done
extras=$(sed -n 's/^ARG EXTRAS=//p' "$here/Dockerfile")
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$context[$extras]"
cd "$work"
export XDG_CACHE_HOME="$work/data/.cache"
venv/bin/twinspect studio --token-file data/tokens.txt --add-token check:admin >token.txt
venv/bin/twinspect studio data --host 0.0.0.0 --port 8765 --token-file data/tokens.txt 2>server.log &
server=$!
trap 'kill $server' EXIT
for _ in $(seq 120); do
    venv/bin/python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8765/readyz', timeout=5)" \
        2>error.log && break
    sleep 1
done
venv/bin/python - "$(head -n 1 token.txt)" <<'PYTHON'
import json, sys, urllib.request
request = urllib.request.Request("http://127.0.0.1:8765/v1/products", headers={"Authorization": f"Bearer {sys.argv[1]}"})
assert json.load(urllib.request.urlopen(request)) == {"products": []}
print("the studio is up, healthy, and knows its token")
PYTHON
