# Signals a step's processes. Only built-ins: where a step has used up all processes, none can be started.
#
# Arguments: the step's token, its session id ("none": unknown), its start time in ticks ("-": age says nothing),
# the file that forbids it to begin.
# Reads orders, one a line (TERM, KILL, LIST), and answers each with the number of processes it found.
# A process is the step's if it is in its session, or carries its token in the environment, or is in the session
# of one that does -- one that is just starting another program shows no environment -- or, where no other step
# is under way, is not older than the step.
token=$1 sessions=" $2 " since=$3

# The step's own shell may not have started yet. It carries the token before it looks for this file, so whoever
# does not see the file is seen by the sweeps.
[ -d "${4%/*}" ] || mkdir -p "${4%/*}" || exit 125
: >"$4" || exit 125

belongs() {
    pid=$1 stat=
    { while IFS= read -r line || [ -n "$line" ]; do stat=$stat$line; done <"/proc/$pid/stat"; } 2>/dev/null
    # The name of a program may hold blanks and parentheses: count fields from the last one.
    # shellcheck disable=SC2086 # the fields are to be split
    set -- ${stat##*) }
    [ $# -ge 20 ] || return 1
    case $1 in
        Z | X | x) return 1 ;;
    esac
    [ "$4" != "$$" ] || return 1
    case $sessions in
        *" $4 "*) return 0 ;;
    esac
    [ "$since" = - ] || [ "${20}" -lt "$since" ] || return 0
    {
        while IFS= read -r line || [ -n "$line" ]; do
            case $line in
                *"PRODIGY_TOKEN=$token"*)
                    sessions="$sessions$4 "
                    return 0
                    ;;
            esac
        done <"/proc/$pid/environ"
    } 2>/dev/null
    return 1
}

sweep() {
    found=0
    for entry in /proc/[0-9]*; do
        belongs "${entry#/proc/}" || continue
        found=$((found + 1))
        [ "$1" = 0 ] || kill -s "$1" "${entry#/proc/}" 2>/dev/null
    done
}

# Whoever is killed while its parent still runs would look to that parent as if it had ended by itself. So all
# are stopped first, again and again until nobody new turns up.
halt() {
    for round in 1 2 3 4 5; do
        last=$found
        sweep STOP
        [ "$round" = 1 ] || [ "$found" != "$last" ] || break
    done
}

while read -r order; do
    case $order in
        TERM) sweep TERM; sweep CONT ;; # a stopped process takes TERM only when it runs on
        KILL) halt; sweep KILL ;; # stopped first: what cannot fork cannot outrun the sweep
        LIST) sweep 0 ;;
    esac
    echo "$found"
done
