# shellcheck shell=bash
# Settings and helpers that every part of the lab shares; sourced, never run.

# In /tmp, not in the repository: the daemons give up root, and a home folder is closed to them.
STATE=${LEGWORK_LAB_DIR:-/tmp/legwork-lab-$UID}
# shellcheck disable=SC2034 # for the parts
PKI=$STATE/pki HTTP_KEYTAB=$STATE/kdc/http.keytab NTLM_ACCOUNTS=$STATE/apache/ntlm_users
# shellcheck disable=SC2034
SAMBA_STATE=$STATE/samba SAMBA_LDAP=$STATE/samba/private/ldapi
# shellcheck disable=SC2034
WEB_ACCOUNT=www-data # what Apache becomes where root starts it; anybody else it stays
# Before FAKETIME=-1d COMMAND: another clock. Not by Debian's `faketime`, which leaves shared memory behind when ended.
# shellcheck disable=SC2016,SC2034 # $LIB is for the loader
WITH_CLOCK=(env 'LD_PRELOAD=/usr/$LIB/faketime/libfaketimeMT.so.1')
# What is no Debian package: fetched by `lab install`, and left alone by `up` and `down`.
CACHE=$STATE/cache
export KRB5_CONFIG=$STATE/kdc/krb5.conf # and nothing of the machine's own Kerberos
export LC_ALL=C.UTF-8
umask 022

fail() {
  echo "lab: $*" >&2
  exit 1
}

# State of our own: a folder planted by somebody else under /tmp is refused.
make_state() {
  mkdir -p "$STATE"
  if [ -L "$STATE" ] || [ ! -O "$STATE" ]; then fail "$STATE belongs to somebody else; set LEGWORK_LAB_DIR"; fi
}

# A process's start time in ticks since boot; with the pid it names one process for good.
start_time() {
  local stat fields
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  read -ra fields <<<"${stat##*) }"
  [ "${fields[0]}" != Z ] && echo "${fields[19]}"
}

# listening PORT: or a socket's path, which says less: it is there.
listening() {
  case $1 in
    /*) [ -S "$1" ] ;;
    *) (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null ;;
  esac
}

# start PART PORT COMMAND...: a daemon in a process group of its own, ready once PORT answers, or a socket's path is there.
start() {
  local part=$1 port=$2 pid tries
  shift 2
  # It notes itself: whatever ends this script, there is no daemon without its note.
  {
    pid=$BASHPID
    echo "$pid $(start_time "$pid")" >"$STATE/$part/daemon"
    exec setsid "$@"
  } >"$STATE/$part/stdout.log" 2>&1 </dev/null &
  pid=$!
  for ((tries = 0; tries < 500; tries++)); do
    if listening "$port"; then return; fi
    if ! start_time $pid >/dev/null; then break; fi
    sleep 0.02
  done
  tail -n 20 "$STATE/$part"/*.log >&2
  fail "$part does not answer at $port"
}

# stop PART: ends the daemon and what it left behind, killed or not; a stale note harms nobody.
stop() {
  local note=$STATE/$1/daemon pid started now tries
  [ -s "$note" ] || return 0
  read -r pid started <"$note"
  rm -f "$note"
  now=$(start_time "$pid") || now=
  if [ -n "$now" ] && [ "$now" != "$started" ]; then return; fi # the number has a new owner
  if [ -n "$now" ]; then kill -TERM "$pid" || true; fi
  for ((tries = 0; tries < 500; tries++)); do
    start_time "$pid" >/dev/null || break
    sleep 0.01
  done
  kill -KILL -- "-$pid" 2>/dev/null || true
}

# fetched FOLDER WHAT COMMAND...: the command makes this folder, once.
fetched() {
  local folder=$1 what=$2
  shift 2
  if [ -e "$folder/fetched" ]; then return; fi
  echo "lab: fetching $what"
  rm -rf "$folder"
  mkdir -p "$folder"
  "$@" >"$folder/fetch.log" 2>&1 || { cat "$folder/fetch.log" >&2; fail "cannot fetch $what"; }
  touch "$folder/fetched"
}

# from_npm FOLDER PACKAGE...: for fetched.
from_npm() {
  npm install --prefix "$1" --cache "$1/cache" --ignore-scripts --no-audit --no-fund --no-update-notifier \
    --fetch-retries 2 --fetch-retry-mintimeout 1000 --fetch-retry-maxtimeout 5000 "${@:2}"
}

# from_pypi FOLDER PACKAGE...: for fetched.
from_pypi() {
  /usr/bin/python3 -m venv "$1" && "$1/bin/pip" install --quiet --no-cache-dir --only-binary :all: "${@:2}"
}

there() { [ -e "$1/fetched" ] || fail "$2 is not in $CACHE; tests/lab/lab install fetches it"; }

# htdigest REALM: the lab's user, as a line of Apache's file for Digest.
htdigest() { printf 'user:%s:%s\n' "$1" "$(printf 'user:%s:passwd' "$1" | md5sum | cut -d' ' -f1)"; }

fetch() { :; }

# Each part defines packages, ports, settings, up and down, and fetch where it needs more than packages; it ends with
# `part "$@"`.
part() {
  case ${1:-} in
    packages | fetch | ports | settings | up | down) "$1" ;;
    *) fail "usage: ${0##*/} packages|fetch|ports|settings|up|down" ;;
  esac
}
