# moto, the S3 server of Python's test world. To be sourced; needs packages.sh, say, fail,
# free_ports, await_port, $cache, $folder, started and MOTO_VERSION.

moto_key=testing
moto_secret=testing-secret

# Installs the package into an environment of its own, once.
moto_install() {
    local home=$cache/moto-$MOTO_VERSION
    moto=$home/bin/moto_server
    [[ -x $moto ]] && return
    say "installing moto $MOTO_VERSION, once"
    rm -rf -- "$home"
    need python3 python3-venv
    if ! python3 -m venv "$home" >&2; then
        # Debian has python3 without it.
        [[ $EUID == 0 ]] && command -v apt-get >/dev/null ||
            fail "Python's venv is missing: install it (on Debian: apt-get install python3-venv)"
        install_packages python3-venv
        rm -rf -- "$home"
        python3 -m venv "$home" >&2
    fi
    "$home/bin/pip" install --quiet "moto[server,s3]==$MOTO_VERSION" >&2
}

# Starts the server, with the bucket `replays`. It takes any key.
moto_start() {
    local port
    port=$(free_ports 1)
    moto_endpoint=http://127.0.0.1:$port
    "$moto" -H 127.0.0.1 -p "$port" >"$folder/moto.log" 2>&1 </dev/null &
    started+=($!)
    await_port "$port" "$folder/moto.log"
    "${moto%/*}/python" - "$moto_endpoint" $moto_key $moto_secret <<'END'
import sys
import boto3

endpoint, key, secret = sys.argv[1:]
client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1",
                      aws_access_key_id=key, aws_secret_access_key=secret)
client.create_bucket(Bucket="replays")
END
}
