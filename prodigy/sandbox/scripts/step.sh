# Runs one step and reports on it. Only POSIX sh, and built-ins wherever a process would cost time.
#
# Arguments: worktree, directory to start in (relative, or empty), 1 to count uncommitted paths, the cgroup
# file system, the file for the input, the step's own PATH (or empty); then its argument vector.
# Standard input: a line with the mark that frames reports and the input's size in bytes ("-": none),
# then the input itself.
# Reports, on stderr, as MARK:TEXT; --
#   W reason                          the directory cannot be started in; nothing ran
#   I reason                          the input could not be stored; nothing ran
#   B pid start oom_kills head        the step begins
#   E code                            the step's own process has ended
#   H head descends oom_kills dirty told
#                                     all is known; MARK:O; on stdout closes that stream too
# The file for values is the one for the input with .out after it; told is 1 where it is not empty.
# Where the one with .stop after it is there, the step was stopped before it began, and nothing runs.
root=$1 cwd=$2 survey=$3 cgroup=$4 file=$5 path=${6:-$PATH}
shift 6
IFS=' ' read -r mark size || exit 125
PATH=$PATH:/usr/local/bin:/usr/bin:/bin
# The step may be asked to end; this shell stays to report (its children get the default action back).
trap : TERM INT HUP

report() { printf '%s:%s;' "$mark" "$1" >&2; }

# A step's environment may point git elsewhere, but the question is always about the worktree.
git_here() {
    unset GIT_DIR GIT_WORK_TREE GIT_COMMON_DIR GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_NAMESPACE
    git -C "$root" "$@" 2>/dev/null </dev/null
}

# Sets $head. Mostly two files say it, and starting git twice a step would be half of a step's own cost.
find_head() {
    head=
    if [ -f "$root/.git/HEAD" ]; then
        IFS= read -r head <"$root/.git/HEAD"
        case $head in
            "ref: refs/heads/"*)
                ref=$root/.git/${head#ref: }
                if [ -f "$ref" ]; then IFS= read -r head <"$ref"; fi
                ;;
        esac
    fi
    case ${#head} in
        40 | 64)
            case $head in
                *[!0-9a-f]*) ;;
                *) return ;;
            esac
            ;;
    esac
    head=$(git_here rev-parse --quiet --verify 'HEAD^{commit}') || head=-
}

# HEAD and the number of uncommitted paths by one process. Names stand quoted, so each path is one line.
take_stock() {
    listed=$(git_here status --porcelain=v2 --branch --no-renames) || return 1
    set -f
    IFS='
'
    dirty=0 after=-
    for line in $listed; do
        case $line in
            '# branch.oid (initial)') after=- ;;
            '# branch.oid '*) after=${line##* } ;;
            '#'*) ;;
            *) dirty=$((dirty + 1)) ;;
        esac
    done
    unset IFS
    set +f
}

count_oom_kills() {
    oom=0
    for events in "$cgroup/memory.events" "$cgroup/memory/memory.oom_control"; do
        [ -r "$events" ] || continue
        while read -r key value; do
            [ "$key" = oom_kill ] && oom=$value
        done <"$events"
    done
}

read_start_time() {
    stat=
    while IFS= read -r line; do stat=$stat$line; done <"/proc/$$/stat"
    # shellcheck disable=SC2086 # the fields are to be split
    set -- ${stat##*) }
    start=${20}
}

enter() {
    cd "$root" 2>/dev/null || { reason="the worktree is not there"; return 1; }
    [ -n "$cwd" ] || return 0
    top=$(pwd -P)
    cd "./$cwd" 2>/dev/null || { reason="no such directory"; return 1; }
    case $(pwd -P)/ in
        "$top"/*) return 0 ;;
    esac
    reason="it is outside the worktree"
    return 1
}

store_input() {
    [ -d "${file%/*}" ] || mkdir -p "${file%/*}" || return 1
    (umask 077 && cat >"$file") || return 1
    [ "$(wc -c <"$file")" -eq "$size" ]
}

if [ "$size" != - ] && ! store_input 2>/dev/null; then
    rm -f "$file"
    report "I"
    exit 125
fi
if ! enter; then
    report "W $reason"
    exit 125
fi
[ -d "${file%/*}" ] || mkdir -p "${file%/*}" 2>/dev/null
read_start_time
count_oom_kills
find_head
before=$head
[ ! -e "$file.stop" ] || exit 125
report "B $$ $start $oom $before"

(
    PATH=$path
    unset OLDPWD
    exec "$@"
) </dev/null
code=$?

report "E $code"
[ "$size" = - ] || rm -f "$file"
count_oom_kills
dirty=-
{ [ "$survey" = 1 ] && take_stock; } || { find_head; after=$head; }
descends=0
if [ "$after" != - ]; then
    if [ "$before" = "$after" ] || [ "$before" = - ]; then
        descends=1
    elif (git_here merge-base --is-ancestor "$before" "$after"); then
        descends=1
    fi
fi
told=0
[ -s "$file.out" ] && told=1
report "H $after $descends $oom $dirty $told"
printf '%s:O;' "$mark"
exit "$code"
