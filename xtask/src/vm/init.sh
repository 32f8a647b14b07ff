#!/bin/sh
# The first process of the VM: prepares a small Linux, runs one command, hands back what came of it.
#
# /weir/modules   kernel modules to load, in order
# /weir/run       the command, as a shell script with its environment
# The host sees four virtio ports: weir.control (lines "ready" and "exit CODE"), weir.stdout,
# weir.stderr and weir.out (a tar of /out). Kernel messages go to the serial port alone.

export PATH=/usr/bin HOME=/root LC_ALL=C.UTF-8 TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr

# No tunnel driver makes a device on its own.
echo 2 >/proc/sys/net/core/fb_tunnels_only_for_init_net
while read -r module; do
    # Some lines carry parameters.
    # shellcheck disable=SC2086
    modprobe $module || echo "weir: cannot load module $module" >/dev/kmsg
done </weir/modules

mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
# `ip netns exec` mounts a new /sys, so the same bpffs is reachable at a place that it does not hide.
mkdir -p /run/netns /run/weir/bpf
mount --bind /sys/fs/bpf /run/weir/bpf
ip link set lo up
hostname weir-vm

# A port's device exists a moment after its driver is loaded.
port() {
    tries=0
    while [ $tries -lt 100 ]; do
        for entry in /sys/class/virtio-ports/*; do
            if [ "$(cat "$entry/name" 2>/dev/null)" = "$1" ] && [ -c "/dev/${entry##*/}" ]; then
                echo "/dev/${entry##*/}"
                return
            fi
        done
        tries=$((tries + 1))
        usleep 20000
    done
    echo "weir: the host gave no port $1" >/dev/kmsg
    poweroff -f
}

exec 3<>"$(port weir.control)"
# When the host's side goes away nobody waits for this VM any more.
(cat <&3 >/dev/null; poweroff -f) &
mkfifo /run/stdout /run/stderr
cat /run/stdout >"$(port weir.stdout)" &
stdout=$!
cat /run/stderr >"$(port weir.stderr)" &
stderr=$!

echo ready >&3
cd /root || poweroff -f
sh /weir/run </dev/null >/run/stdout 2>/run/stderr 3>&-
code=$?

# A process that the command left behind may keep its output open: wait for the rest, but not forever.
tries=0
while [ $tries -lt 100 ] && { [ -d /proc/$stdout ] || [ -d /proc/$stderr ]; } ; do
    tries=$((tries + 1))
    usleep 50000
done
tar -C /out -cf "$(port weir.out)" .
echo "exit $code" >&3
sleep 1
poweroff -f
