"""`twinspect completion`: the script by which a shell completes twinspect's command lines.

The script asks twinspect itself what may come next (:mod:`twinspect.cli.completing`), so that methods and teachers of
other packages are completed too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinspect.cli.completing import ASKED, FILES, FOLDERS
from twinspect.cli.outcome import Outcome

if TYPE_CHECKING:
    import argparse

_BASH: Final = f"""\
_twinspect() {{
    # bash breaks words at "=" and ":"; what no space parts is one word again, and ends at the cursor.
    local IFS=$'\\n' rest="${{COMP_LINE:0:COMP_POINT}}" trimmed word line value start i
    local -a words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        trimmed="${{rest#"${{rest%%[![:space:]]*}}"}}"
        word="${{COMP_WORDS[i]}}"
        ((i == COMP_CWORD)) && word="$trimmed"
        if ((i > 0)) && [[ "$trimmed" == "$rest" ]]; then words[${{#words[@]}}-1]+="$word"; else words+=("$word"); fi
        rest="${{trimmed#"$word"}}"
    done
    local current="${{words[${{#words[@]}}-1]}}" breaks="${{COMP_WORDBREAKS//[^=:]/}}"
    value="$current"
    [[ "$current" == --*=* ]] && value="${{current#*=}}"
    start="${{current%"$value"}}"
    COMPREPLY=()
    for line in $({ASKED}=1 "$1" "${{words[@]:1}}" 2>/dev/null); do
        case "$line" in
            {FILES}) compopt -o filenames; COMPREPLY+=($(compgen -P "$start" -f -- "$value")) ;;
            {FOLDERS}) compopt -o filenames; COMPREPLY+=($(compgen -P "$start" -d -- "$value")) ;;
            *) COMPREPLY+=("${{line%%$'\\t'*}}") ;;
        esac
    done
    # bash keeps what stands before the last break.
    [[ -n "$breaks" ]] && COMPREPLY=("${{COMPREPLY[@]#"${{current%"${{current##*[$breaks]}}"}}"}}")
}}
complete -F _twinspect twinspect
"""
_ZSH: Final = f"""\
#compdef twinspect
_twinspect() {{
    local line
    local -a values texts
    for line in "${{(@f)$({ASKED}=1 "${{words[1]}}" "${{(@)words[2,CURRENT]}}" 2>/dev/null)}}"; do
        case "$line" in
            {FILES}) _files ;;
            {FOLDERS}) _files -/ ;;
            ?*) values+=("${{line%%$'\\t'*}}"); texts+=("${{line/$'\\t'/  }}") ;;
        esac
    done
    (( $#values )) && compadd -l -d texts -a values
}}
compdef _twinspect twinspect
"""
_FISH: Final = f"""\
function __twinspect_complete
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    for line in (env {ASKED}=1 $typed[1] $typed[2..] "$current" 2>/dev/null)
        switch $line
            case '{FILES}'
                __fish_complete_path "$current"
            case '{FOLDERS}'
                __fish_complete_directories "$current" ''
            case '*'
                echo $line
        end
    end
end
complete -c twinspect -f -a '(__twinspect_complete)'
"""
SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def run(options: argparse.Namespace) -> Outcome:
    """Print the script."""
    script = SCRIPTS[options.shell]
    return Outcome(script.rstrip("\n"), {"shell": options.shell, "script": script})
