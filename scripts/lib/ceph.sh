# Ceph on this machine, as Debian packages it: a monitor, a manager, two OSDs that keep two copies
# of everything, and the S3 gateway, with cephx keys. To be sourced; needs packages.sh, say, fail,
# free_ports, await_port, $folder and started.
#
# The OSDs keep their objects in sparse files (BlueStore), which survive a kill, with caches made
# small: the whole cluster takes less than 1 GiB of memory.

ceph_key=CEPH00112233445566AA
ceph_secret=00112233445566778899aabbccddeeff00112233
ceph_fsid=c0ffee00-c0ff-ee00-c0ff-ee00c0ffee00
declare -A ceph_pids=()

# Makes sure of Debian's packages.
ceph_install() {
    local program
    for program in ceph-mon ceph-mgr ceph-osd radosgw ceph; do
        need $program ceph-mon ceph-mgr ceph-osd radosgw ceph-common
    done
}

ceph_configure() {
    cat >"$folder/ceph.conf" <<END
[global]
fsid = $ceph_fsid
mon host = v2:127.0.0.1:$ceph_ports/0
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind port min = $((ceph_ports + 1))
ms bind port max = $((ceph_ports + 30))
ms bind ipv6 = false
auth allow insecure global id reclaim = false
keyring = $ceph/\$name.keyring
admin socket = $ceph/\$name.sock
run dir = $ceph
log file = $ceph/\$name.log
log to stderr = false
crash dir = $ceph/crash
osd pool default size = 2
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
[mon]
mon data = $ceph/mon
mon cluster log file = $ceph/cluster.log
mon allow pool delete = true
mon data avail crit = 1
mon data avail warn = 1
mon osd min down reporters = 1
mon osd reporter subtree level = osd
mon max pg per osd = 1000
[mgr]
mgr data = $ceph/mgr
mgr initial modules =
[osd]
osd data = $ceph/osd-\$id
osd objectstore = bluestore
bluestore block size = 8G
bluestore cache autotune = false
bluestore cache size = 64M
osd memory target = 1G
osd heartbeat grace = 6
osd heartbeat interval = 1
osd max backfills = 4
osd recovery sleep = 0
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:$((ceph_ports + 31))
rgw data = $ceph/rgw
rgw thread pool size = 32
END
}

# Runs one of Ceph's programs with this cluster's configuration; ends the script where it fails.
ceph_run() {
    "$1" -c "$folder/ceph.conf" "${@:2}" >>"$ceph/setup.log" 2>&1 ||
        fail "$1 ${*:2} failed: $(tail -n 20 "$ceph/setup.log")"
}

# Starts a daemon: a name for it here, its program and what the cluster calls it.
ceph_daemon() {
    "$2" -c "$folder/ceph.conf" -f --name "$3" >>"$ceph/$1.out" 2>&1 </dev/null &
    ceph_pids[$1]=$!
    started+=($!)
}

# Makes a key for a daemon, with what it may do.
ceph_allow() {
    ceph_run ceph auth get-or-create "$@" -o "$ceph/$1.keyring"
}

# Starts OSD $1, for the first time or again.
ceph_osd_up() {
    ceph_daemon "osd-$1" ceph-osd "osd.$1"
}

# Kills OSD $1 as a power cut would.
ceph_osd_down() {
    kill -KILL "${ceph_pids[osd-$1]}"
    wait "${ceph_pids[osd-$1]}" 2>/dev/null || true
}

# Waits until both OSDs are up and every copy is where it belongs, three minutes at most.
ceph_await_health() {
    local state
    for _ in {1..180}; do
        state=$(ceph -c "$folder/ceph.conf" osd stat 2>/dev/null) || state=
        if [[ $state == *'2 osds: 2 up'*'2 in'* ]]; then
            # `33 pgs: 33 active+clean; …`, with nothing between the two where all are.
            state=$(ceph -c "$folder/ceph.conf" pg stat 2>/dev/null) || state=
            [[ $state =~ ^([0-9]+)\ pgs:\ ([0-9]+)\ active\+clean\; ]] &&
                ((BASH_REMATCH[1] > 0 && BASH_REMATCH[1] == BASH_REMATCH[2])) && return
        fi
        sleep 1
    done
    fail "Ceph does not become healthy: $(ceph -c "$folder/ceph.conf" -s 2>&1)"
}

ceph_mon_start() {
    local keys=$ceph/mon.keyring map=$ceph/monmap
    ceph_run ceph-authtool --create-keyring "$keys" --gen-key -n mon. --cap mon 'allow *'
    ceph_run ceph-authtool --create-keyring "$ceph/client.admin.keyring" --gen-key \
        -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    ceph_run ceph-authtool "$keys" --import-keyring "$ceph/client.admin.keyring"
    ceph_run monmaptool --create --addv a "[v2:127.0.0.1:$ceph_ports]" --fsid $ceph_fsid "$map"
    ceph_run ceph-mon --mkfs -i a --monmap "$map" --keyring "$keys"
    ceph_daemon mon ceph-mon mon.a
    await_port "$ceph_ports" "$ceph/mon.out"
}

ceph_osd_make() {
    local id=$1 uuid secret
    uuid=$(</proc/sys/kernel/random/uuid)
    secret=$(ceph-authtool --gen-print-key)
    mkdir -p "$ceph/osd-$id"
    ceph_run ceph osd new "$uuid" "$id" -i - <<<"{\"cephx_secret\": \"$secret\"}"
    ceph_run ceph-authtool --create-keyring "$ceph/osd.$id.keyring" --name "osd.$id" \
        --add-key "$secret"
    ceph_run ceph-osd -i "$id" --mkfs --osd-uuid "$uuid"
}

# Makes the bucket; curl before 8 does not say what it signs of the body by itself.
ceph_bucket() {
    curl -sf --noproxy 127.0.0.1 -X PUT --aws-sigv4 aws:amz:us-east-1:s3 \
        -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' --user "$ceph_key:$ceph_secret" \
        "$ceph_endpoint/$1" || fail "Ceph failed to create the bucket $1"
}

# Starts the cluster: a user, and the bucket `replays`.
ceph_start() {
    local osd
    ceph=$folder/ceph
    ceph_ports=$(free_ports 32)
    ceph_endpoint=http://127.0.0.1:$((ceph_ports + 31))
    mkdir -p "$ceph/mon" "$ceph/mgr" "$ceph/rgw" "$ceph/crash"
    ceph_configure
    ceph_mon_start
    ceph_allow mgr.a mon 'allow profile mgr' osd 'allow *'
    ceph_daemon mgr ceph-mgr mgr.a
    for osd in 0 1; do
        ceph_osd_make $osd
        ceph_osd_up $osd
    done
    ceph_allow client.rgw.a mon 'allow rw' osd 'allow rwx' mgr 'allow rw'
    ceph_daemon rgw radosgw client.rgw.a
    await_port $((ceph_ports + 31)) "$ceph/rgw.out"
    ceph_run radosgw-admin user create --uid test --display-name test \
        --access-key $ceph_key --secret $ceph_secret
    ceph_bucket replays
    ceph_await_health
}
