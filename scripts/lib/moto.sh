# moto, the S3 server of Python's test world. To be sourced; needs say, fail, free_ports,
# await_port, $cache, $folder, started and MOTO_VERSION.

moto_key=testing
moto_secret=testing-secret

# Installs the package into an environment of its own, once.
moto_install() {
    local home=$cache/moto-$MOTO_VERSION
    moto=$home/bin/moto_server
    [[ -x $moto ]] && return
    say "installing moto $MOTO_VERSION, once"
    rm -rf -- "$home"
    if ! python3 -m venv "$home" >&2; then
        [[ $EUID == 0 ]] && command -v apt-get >/dev/null ||
            fail "Python's venv is missing: install it (on Debian: apt-get install python3-venv)"
        {
            apt-get update -q
            DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends python3-venv
        } </dev/null >&2
        rm -rf -- "$home"
        python3 -m venv "$home" >&2
    fi
    "$home/bin/pip" install --quiet "moto[server,s3]==$MOTO_VERSION" >&2
}

# Starts the server. It takes any key.
moto_start() {
    local port
    port=$(free_ports 1)
    moto_endpoint=http://127.0.0.1:$port
    "$moto" -H 127.0.0.1 -p "$port" >"$folder/moto.log" 2>&1 </dev/null &
    started+=($!)
    await_port "$port" "$folder/moto.log"
}
