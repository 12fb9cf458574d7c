// The live plugin: what it knows of a room, and how to enter the room. Only code of this subpackage can use it,
// because the plugin is declared here.

const PLUGIN = "wx2b03c6e691cd7370";

// WeChat asks for a minute or more between two requests.
const POLL_MS = 60 * 1000;
// The plugin has been seen not to answer at all.
const TIMEOUT_MS = 10 * 1000;
// WeChat cuts off what is longer.
const LONGEST_PARAMS = 600;

// The entry by a mini-program code (小程序码), and by a card in an article of an official account (公众号).
const BY_CODE = 9;
const BY_ARTICLE = 10;

// The seven states. `isOver`: nothing follows. `canSubscribe`: the broadcast is still to come.
const STATES = {
    101: { text: "正在直播", canEnter: true },
    102: { text: "尚未开播", canEnter: true, canSubscribe: true },
    103: { text: "直播已结束", isOver: true, hasReplay: true },
    104: { text: "直播间已被禁播", isOver: true },
    105: { text: "主播暂时离开", canEnter: true },
    106: { text: "直播中断，等待恢复", canEnter: true },
    107: { text: "直播已过期，没有开播", isOver: true },
};

// The plugin answers 0, or fails, or never answers: nobody knows, and the room may be tried.
const UNKNOWN = { text: "暂时查不到直播状态", canEnter: true };
const NO_PLUGIN = { text: "直播组件没有加载成功，请稍后再试", isOver: true, canRetry: true };

const state = (status) => STATES[status] || UNKNOWN;

// When each room was last asked for, and what is going to be known then.
const asked = new Map();

// Resolves with `otherwise` where there is no answer in time.
function inTime(promise, otherwise) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => resolve(otherwise), TIMEOUT_MS);
        promise.then(resolve, reject).finally(() => clearTimeout(timer));
    });
}

function ask(roomId) {
    let plugin;
    try {
        plugin = requirePlugin("live-player-plugin");
    } catch (error) {
        return { at: Date.now(), state: Promise.resolve(NO_PLUGIN) };
    }
    const answer = new Promise((resolve) => resolve(plugin.getLiveStatus({ room_id: roomId })));
    const told = answer.then((found) => state(found && found.liveStatus)).catch(() => UNKNOWN);
    const question = { at: Date.now(), state: inTime(told, UNKNOWN) };
    asked.set(roomId, question);
    return question;
}

// How long until a room may be asked for again. A clock that was put back does not lengthen it.
function pause(question) {
    return question ? Math.min(POLL_MS, question.at + POLL_MS - Date.now()) : 0;
}

// Tells the state of a room now and about once a minute, until nothing can follow. Returns what ends it. A page that
// is left and entered again gets what is known, and does not ask sooner.
function watch(roomId, tell) {
    let isWatched = true;
    let timer;
    async function next() {
        const known = asked.get(roomId);
        const question = pause(known) > 0 ? known : ask(roomId);
        const found = await question.state;
        if (!isWatched) return;
        tell(found);
        if (!found.isOver) timer = setTimeout(next, pause(question));
    }
    next();
    return () => {
        isWatched = false;
        clearTimeout(timer);
    };
}

// The plugin's page of a room. `type` is BY_CODE or BY_ARTICLE for an entry that is made for one; `params` come back
// on the goods page and in shared cards. The group's ticket is asked for, so that `App.onShow` gets it.
function roomUrl(roomId, { type, params } = {}) {
    if (!/^\d+$/.test(`${roomId}`)) throw new RangeError(`not a room: ${roomId}`);
    let url = `plugin-private://${PLUGIN}/pages/live-player-plugin?room_id=${roomId}&open_share_ticket=1`;
    if (type === BY_CODE || type === BY_ARTICLE) url += `&type=${type}`;
    return params ? `${url}&custom_params=${encoded(params)}` : url;
}

function encoded(params) {
    const text = encodeURIComponent(JSON.stringify(params));
    if (text.length > LONGEST_PARAMS) {
        throw new RangeError(`custom_params has ${text.length} characters, ${LONGEST_PARAMS} are allowed`);
    }
    return text;
}

module.exports = { BY_ARTICLE, BY_CODE, encoded, roomUrl, watch };
