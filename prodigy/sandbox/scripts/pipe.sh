# Runs one command whose stdin and stdout are streams. Arguments: worktree, the file that forbids it to begin,
# argument vector.
# The first line of standard input is the mark. It closes stdout, as MARK:O; and frames the exit code on
# stderr, as MARK:E code; -- so a stream that merely broke off is never taken for one that ended well.
IFS= read -r mark || exit 125
cd "$1" || exit 125
[ ! -e "$2" ] || exit 125
shift 2
"$@"
code=$?
printf '%s:O;' "$mark"
printf '%s:E %s;' "$mark" "$code" >&2
exit "$code"
