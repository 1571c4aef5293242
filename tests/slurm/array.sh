#!/bin/bash
# examples/slurm tried against a real Slurm: a controller and a node with two CPUs, started here and stopped after. A hunt in
# shards, joined, is the hunt in one piece; a task that fails joins nothing.
set -euo pipefail
[[ $# -eq 2 ]] || {
    printf 'usage: %s TREE BUILD\n' "$0" >&2
    exit 2
}
tree=$(realpath "$1")
PATH=$(realpath "$2")/lab:$PATH:/usr/sbin
export PATH
unset "${!SLURM_@}" "${!SBATCH_@}"

fail() {
    printf 'slurm: %s\n' "$*" >&2
    tail -n 20 "$work"/log/* >&2 || true
    exit 1
}

for program in munged slurmctld slurmd sbatch jq ticklab; do
    command -v "$program" >/dev/null || {
        printf 'slurm: no program %s (Debian: slurm-wlm, munge, jq)\n' "$program" >&2
        exit 2
    }
done

work=$(mktemp -d)
export SLURM_CONF=$work/etc/slurm.conf
daemons=()
stop() {
    local pid
    scancel --user="$(id -un)" --full 2>/dev/null || true
    # The node first, for the controller hears of it, and both need munged.
    for ((i = ${#daemons[@]} - 1; i >= 0; --i)); do
        pid=${daemons[i]}
        kill "$pid" 2>/dev/null || continue
        for ((tries = 0; tries < 50; ++tries)); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

# until_true SECONDS WHAT COMMAND...
until_true() {
    local what=$2 tries=$(($1 * 5))
    shift 2
    while ! "$@" >/dev/null 2>&1; do
        ((tries-- > 0)) || fail "$what"
        sleep 0.2
    done
}

declare -A taken=()
controller_port='' node_port=''
# free_port NAME: sets the variable NAME to a port of this machine that nobody listens to.
free_port() {
    local port
    while true; do
        port=$((20000 + RANDOM % 10000))
        [[ -n ${taken[$port]-} ]] && continue
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    taken[$port]=1
    printf -v "$1" '%s' "$port"
}

start_munged() {
    # The folder of the socket is open to all, as munged wants it; the key is not.
    chmod 711 "$work"
    mkdir -m 711 "$work/munge"
    mkdir -m 700 "$work/key"
    head -c 1024 /dev/urandom >"$work/key/munge.key"
    chmod 600 "$work/key/munge.key"
    munged --foreground --num-threads=2 --key-file="$work/key/munge.key" --socket="$work/munge/socket" \
        --pid-file="$work/munge/pid" --seed-file="$work/key/seed" --log-file="$work/log/munged" >"$work/log/munged.out" 2>&1 &
    daemons+=($!)
    until_true 10 "munged does not answer" munge --socket="$work/munge/socket" --no-input
}

# Nothing in it needs cgroups, a database or the host's own configuration.
write_configuration() {
    local user host
    user=$(id -un)
    host=$(uname -n)
    host=${host%%.*}
    free_port controller_port
    free_port node_port
    cat >"$SLURM_CONF" <<CONF
ClusterName=ticklab
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller_port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/log/slurmctld
SlurmdLogFile=$work/log/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
SchedulerParameters=sched_interval=1,sched_min_interval=100000
NodeName=node NodeHostname=$host NodeAddr=127.0.0.1 Port=$node_port CPUs=2
PartitionName=all Nodes=node Default=YES MaxTime=10
CONF
}

start_slurm() {
    slurmctld -D -c >"$work/log/slurmctld.out" 2>&1 &
    daemons+=($!)
    until_true 20 "the controller does not answer" scontrol ping
    slurmd -D -N node >"$work/log/slurmd.out" 2>&1 &
    daemons+=($!)
    until_true 20 "the node does not come up" idle_node
}
idle_node() { [[ $(sinfo --noheader --format=%t) == idle ]]; }

no_jobs() { [[ -z $(squeue --noheader) ]]; }

mkdir -p "$work"/{etc,log,state,spool}
start_munged
write_configuration
start_slurm

cd "$work"
scenario=$tree/scenarios/xen/offline-against-guest-set-dead.json
hunt=("$scenario" --seeds '1..300')

"$tree/examples/slurm/submit.sh" 3 found "${hunt[@]}"
until_true 120 "the jobs do not end" no_jobs
[[ -s found/hunt.json ]] || fail "no joint result: $(cat found/*.log)"
ticklab hunt "${hunt[@]}" --keep-going --out whole.json >/dev/null 2>&1 || [[ $? -eq 1 ]] || fail "the hunt in one piece fails"

# All but the time that it took.
result() { jq --sort-keys 'del(.wall_seconds)' "$1"; }
[[ $(jq '.failures | length' whole.json) -ge 2 ]] || fail "too few failures to say anything about how they are joined"
diff <(result whole.json) <(result found/hunt.json) || fail "the joint result is not that of the hunt in one piece"

"$tree/examples/slurm/submit.sh" 2 refused "$tree/no-such-scenario.json"
until_true 120 "the jobs of a hunt that is refused do not end" no_jobs
[[ ! -e refused/hunt.json ]] || fail "shards that failed were joined"
printf 'slurm: %s failures in 3 shards, joined as in one piece\n' "$(jq '.failures | length' whole.json)"
