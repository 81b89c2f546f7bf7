"""Options of `serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinspect.cli.options.shared import mention_decode_limits, store_options

if TYPE_CHECKING:
    import argparse


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add them to the parser of the verb."""
    verb.add_argument("models", nargs="*", metavar="M.twin", help="one or more; reloaded when they change")
    store_options(verb)
    server_options(verb)


def server_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of verbs that answer over HTTP."""
    mention_decode_limits(verb)
    verb.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; any other than the default needs tokens (127.0.0.1)",
    )
    verb.add_argument("--port", type=int, default=8000, help="0 for any free port (8000)")
    _token_options(verb)
    verb.add_argument(
        "--watch",
        action="append",
        default=[],
        metavar="DIR",
        help="also score what arrives in this folder, by the first model; may be repeated",
    )
    verb.add_argument(
        "--allow-folder",
        action="append",
        default=[],
        metavar="DIR",
        help="let admins name this folder and those below it, to take images from or write results to; "
        "may be repeated",
    )
    verb.add_argument(
        "--public-url",
        default="",
        metavar="URL",
        help="where people reach this server, for the links in results that are sent",
    )
    _serve_limits(verb)


def _token_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--token-file", metavar="FILE", help="who may do what: one line of name, role and hash for each token"
    )
    verb.add_argument(
        "--add-token",
        metavar="NAME[:ROLE]",
        help="add a token to --token-file, print it once and exit; view: read only; inspect: also score and give "
        "feedback (default); train: also add photos and train versions of products; admin: also change thresholds, "
        "activate versions and see the server's paths",
    )
    verb.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another host name by which browsers reach this server; needs tokens; may be repeated",
    )
    verb.add_argument(
        "--trusted-proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a proxy in front of this server, whose X-Forwarded-For says who connects; needs tokens; "
        "may be repeated",
    )
    verb.add_argument(
        "--root-path",
        default="",
        metavar="/PATH",
        help="the path under which a proxy shows this server, whether the proxy takes it off or passes it on; "
        "needs tokens",
    )


def _serve_limits(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--max-image-mb", type=float, default=64, metavar="N", help="of one file (64)")
    verb.add_argument("--max-body-mb", type=float, default=512, metavar="N", help="of one request (512)")
    verb.add_argument("--max-batch", type=int, default=64, metavar="N", help="images of one request (64)")
    verb.add_argument(
        "--max-pixels", type=int, metavar="N", help="of one image; at most 200 million (200 million)"
    )
    verb.add_argument(
        "--queue", type=int, default=256, metavar="N", help="images that may wait, for each model (256)"
    )
    verb.add_argument(
        "--rate-limit",
        type=float,
        default=100,
        metavar="N",
        help="requests a second of one client; 0: no limit (100)",
    )
    verb.add_argument(
        "--keep-days", type=float, metavar="N", help="remove older images; rows stay (for ever)"
    )
    verb.add_argument("--keep-gb", type=float, metavar="N", help="remove the oldest images beyond this (all)")
