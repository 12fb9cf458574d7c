"""SQL that makes a ledger of many from the ledger of one: rows that the program has written itself
are multiplied, so that nothing here has to know what is in them."""

from sandbox import APPID

ACCOUNTS, ROOMS, SEGMENTS = 1000, 1000, 3
#: One room of so many is owed: half of those are to be asked about, half have recordings to move.
OWED = 100
DAY = 86_400_000


def appid(number):
    """The name of an account."""
    return f"wx{1_000_000_000_000_000 + number}"


def statements(columns, numbers, now):
    """The statements. `columns` are those of each table, `numbers` is a function from a count to the
    table of 1 to it, with a column `n`; `now` is in milliseconds. The template is room 1 of the
    sandbox's account, archived, with three segments."""
    accounts, rooms = (f"{numbers(count)} as {name}" for count, name in ((ACCOUNTS, "a"), (ROOMS, "r")))
    owner = "'wx' || (1000000000000000 + a.n)"
    ended = f"{now} - r.n * {300 * DAY // ROOMS}"
    is_owed, is_due = f"r.n % {OWED} = 0", f"r.n % {2 * OWED} = 0"
    room = {
        "appid": owner, "room_id": "r.n", "start_at": ended, "listed_at": ended,
        "deadline_at": f"{ended} + {365 * DAY}",
        "phase": f"case when {is_due} then 'due' when {is_owed} then 'listed' else t.phase end",
        "status": f"case when {is_owed} then null else t.status end",
    }
    recording = {
        "appid": owner, "room_id": "r.n", "create_at": ended, "expire_at": f"{ended} + {365 * DAY}",
        "state": f"case when {is_owed} then '\"pending\"' else t.state end",
        "stored": f"case when {is_owed} then null else t.stored end",
        "bytes": f"case when {is_owed} then null else t.bytes end",
    }
    template = f"t.appid = '{APPID}'"
    yield insert("accounts", columns, {"appid": owner}, f"accounts t, {accounts} where {template}")
    yield insert("rooms", columns, room, f"{accounts}, {rooms}, rooms t where {template} and t.room_id = 1")
    # A room that is still to be asked about has no recordings yet.
    yield insert(
        "recordings", columns, recording,
        f"{accounts}, {rooms}, recordings t where {template} and t.room_id = 1 and not {is_due}",
    )
    yield insert("quota", columns, {"appid": owner}, f"quota t, {accounts} where {template}")
    for table in ("accounts", "rooms", "recordings", "quota"):
        yield f"delete from {table} where appid = '{APPID}'"


def insert(table, columns, made, source):
    """Rows of a table: columns that are made, and the template's for all others."""
    values = ", ".join(made.get(column, f"t.{column}") for column in columns[table])
    return f"insert into {table} ({', '.join(columns[table])}) select {values} from {source}"
