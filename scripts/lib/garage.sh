# Garage on this machine: a cluster of three nodes that keep three copies of everything.
# To be sourced; needs packages.sh, say, fail, is_free, free_ports, await_port, $cache, $folder,
# started and GARAGE_VERSION.

garage_ports=
garage_key=GK00112233445566778899aabb
garage_secret=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
declare -A garage_pids=()

# Builds the published crate, once. Little is optimised: it is to be right, not fast.
garage_install() {
    garage=$cache/garage-$GARAGE_VERSION/bin/garage
    [[ -x $garage ]] && return
    # For libsodium and SQLite, which come as sources.
    need cc build-essential
    need make build-essential
    say "building Garage $GARAGE_VERSION, once"
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 \
        cargo install garage --version "$GARAGE_VERSION" --locked --quiet \
        --no-default-features --features bundled-libs,sqlite \
        --root "$cache/garage-$GARAGE_VERSION" --target-dir "$cache/garage-build" >&2
    rm -rf -- "$cache/garage-build"
}

# The S3 address of node $1, from 1 on.
garage_endpoint() {
    echo "http://127.0.0.1:$((garage_ports + 2 * $1 - 2))"
}

garage_rpc_port() {
    echo $((garage_ports + 2 * $1 - 1))
}

garage_node() {
    local node=$1
    shift
    "$garage" -c "$folder/garage-$node.toml" "$@"
}

garage_configure() {
    local node=$1
    cat >"$folder/garage-$node.toml" <<END
metadata_dir = "$folder/garage-$node/meta"
data_dir = "$folder/garage-$node/data"
db_engine = "sqlite"
replication_factor = 3
rpc_bind_addr = "127.0.0.1:$(garage_rpc_port "$node")"
rpc_public_addr = "127.0.0.1:$(garage_rpc_port "$node")"
rpc_secret = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"
[s3_api]
s3_region = "us-east-1"
api_bind_addr = "127.0.0.1:$((garage_ports + 2 * node - 2))"
END
}

# Starts node $1, for the first time or again.
garage_up() {
    "$garage" -c "$folder/garage-$1.toml" server >>"$folder/garage-$1.log" 2>&1 </dev/null &
    garage_pids[$1]=$!
    started+=($!)
    await_port "$(garage_rpc_port "$1")" "$folder/garage-$1.log"
    await_port "$((garage_ports + 2 * $1 - 2))" "$folder/garage-$1.log"
}

# Kills node $1 as a power cut would.
garage_down() {
    kill -KILL "${garage_pids[$1]}"
    wait "${garage_pids[$1]}" 2>/dev/null || true
    is_free "$(garage_rpc_port "$1")" || fail "Garage's node $1 is still there"
}

# Starts the cluster: a key that may make buckets, and the bucket `replays`.
garage_start() {
    local node id log=$folder/garage-setup.log
    garage_ports=$(free_ports 6)
    for node in 1 2 3; do
        garage_configure $node
        garage_up $node
    done
    {
        for node in 2 3; do
            garage_node 1 node connect "$(garage_node $node node id -q)"
        done
        for node in 1 2 3; do
            id=$(garage_node $node node id -q)
            garage_node 1 layout assign "${id%%@*}" -z "zone$node" -c 8GB
        done
        garage_node 1 layout apply --version 1
        garage_node 1 key import --yes -n test $garage_key $garage_secret
        garage_node 1 key allow --create-bucket $garage_key
        garage_node 1 bucket create replays
        garage_node 1 bucket allow --read --write --owner replays --key $garage_key
    } >"$log" 2>&1 || fail "the Garage cluster could not be set up: $(tail -n 20 "$log")"
}
