# Says what a sandbox is like from inside: one KEY VALUE a line. What is tried is what must be refused.
while read -r key value; do
    case $key in
        CapEff: | CapBnd: | NoNewPrivs: | Seccomp:) echo "${key%:} $value" ;;
    esac
done </proc/self/status

while read -r _ target type options _; do
    echo "mount $target $type $options"
done </proc/self/mounts

while read -r interface destination _; do
    [ "$interface" = Iface ] || echo "route $interface $destination"
done </proc/net/route

for socket in /var/run/docker.sock /run/containerd/containerd.sock /run/podman/podman.sock; do
    [ -e "$socket" ] && echo "socket $socket"
done

set -- /proc/[0-9]*
echo "processes $#"

limit() {
    for file in "$2" "$3"; do
        [ -r "/sys/fs/cgroup/$file" ] || continue
        read -r value <"/sys/fs/cgroup/$file"
        echo "$1 $value"
    done
}
limit memory memory.max memory/memory.limit_in_bytes
limit pids pids.max pids/pids.max
limit cpu cpu.max cpu/cpu.cfs_quota_us

refused() {
    name=$1
    shift
    command -v "$1" >/dev/null 2>&1 || return 0
    if "$@" >/dev/null 2>&1; then echo "tried $name allowed"; else echo "tried $name refused"; fi
}
refused "to write in /" touch /written
refused "to mount" mount -t tmpfs none /tmp
refused "a user namespace" unshare --user true
refused "a network namespace" unshare --net true
refused "a device node" mknod /tmp/device b 7 0
refused "a raw socket" python3 -c 'import socket as s; s.socket(s.AF_INET, s.SOCK_RAW, 1)'
refused "the system request trigger" sh -c 'echo h >/proc/sysrq-trigger'
refused "the kernel's settings" sh -c 'echo core >/proc/sys/kernel/core_pattern'

if touch written-by-probe; then echo "file written-by-probe"; fi
