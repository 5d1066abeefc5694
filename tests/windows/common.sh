# shellcheck shell=bash
# Settings that the parts of this folder share; sourced, never run.

# shellcheck disable=SC2034 # for the scripts
# The toolchain, wine's prefix and what is built with them: about 3 GB, outside of the repository's own target.
STATE=${LEGWORK_WINDOWS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/legwork-windows}
# shellcheck disable=SC2034
TARGET=x86_64-pc-windows-gnu
# shellcheck disable=SC2034
WINE=/usr/lib/wine/wine64

fail() {
  echo "windows: $*" >&2
  exit 1
}
