// Every text of the page: first in Chinese, then in English. `{name}` stands for a value.

export const TEXTS = {
    "site.title": ["直播回放归档", "Replay archive"],
    "site.language": ["English", "中文"],
    "site.language.label": ["Switch to English", "切换到中文"],
    "site.logout": ["退出登录", "Sign out"],
    "site.skip": ["跳到正文", "Skip to content"],
    "site.retry": ["重试", "Try again"],
    "site.copy": ["复制", "Copy"],
    "site.copied": ["已复制", "Copied"],
    "site.comma": ["、", ", "],
    "site.unknown": ["未知", "unknown"],
    "site.failed": ["出错了：{what}", "Something went wrong: {what}"],
    "site.offline": ["无法连接服务器。", "The server cannot be reached."],

    "login.title": ["登录", "Sign in"],
    "login.token": ["访问令牌", "Access token"],
    "login.hint": ["请向管理员索取令牌。", "Whoever runs this server gives you a token."],
    "login.submit": ["登录", "Sign in"],
    "login.error.token": ["令牌不正确。", "The token is not correct."],
    "login.error.https": [
        "无法登录：本服务需要 https，浏览器不会在 http 页面保存登录状态。请使用以 https:// 开头的地址。",
        "This server needs https to sign in: a browser does not keep its login on an http page. Use its https:// address.",
    ],
    "login.error.other": ["登录失败，请重试。", "Signing in failed. Try again."],

    "rooms.title": ["直播间", "Rooms"],
    "rooms.account": ["账号", "Account"],
    "rooms.search": ["搜索直播间或主播", "Search rooms or anchors"],
    "rooms.status": ["状态", "Status"],
    "rooms.from": ["从", "From"],
    "rooms.to": ["到", "To"],
    "rooms.order": ["排序", "Order"],
    "rooms.order.newest": ["最新在前", "Newest first"],
    "rooms.order.oldest": ["最早在前", "Oldest first"],
    "rooms.clear": ["清除筛选", "Clear filters"],
    "rooms.more": ["显示更多", "Show more"],
    "rooms.count": ["显示 {shown} 个，共 {total} 个", "Showing {shown} of {total}"],
    "rooms.nothing": ["没有符合条件的直播间。", "No room matches."],
    "rooms.none_yet": ["归档里还没有直播间。", "The archive has no rooms yet."],
    "rooms.no_account": ["归档里还没有账号。", "The archive has no accounts yet."],
    "rooms.loading": ["正在加载…", "Loading…"],

    "status.complete": ["完整", "Complete"],
    "status.partial": ["不完整", "Incomplete"],
    "status.lost": ["已丢失", "Lost"],
    "status.empty": ["无回放", "No replay"],
    "status.none": ["未归档", "Not archived"],
    "status.live": ["直播中", "Live"],
    "status.upcoming": ["未开始", "Upcoming"],

    "room.unnamed": ["直播间 {id}", "Room {id}"],
    "room.number": ["房间号 {id}", "Room {id}"],
    "room.anchor": ["主播 {name}", "Anchor {name}"],
    "room.deadline": ["{when}被微信删除", "Deleted at WeChat {when}"],
    "room.deadline.past": ["可能已在{when}被微信删除", "Probably deleted at WeChat {when}"],
    "room.back": ["全部直播间", "All rooms"],
    "room.chapters": ["章节", "Chapters"],
    "room.goods": ["商品", "Goods"],
    "room.goods.unpriced": ["价格未知", "Price unknown"],
    "room.goods.page": ["小程序页面路径", "mini-program path"],
    "room.segment": ["分片 {index}", "Segment {index}"],
    "room.whole": ["整场", "Whole broadcast"],
    "room.gap": ["缺失 {length}", "Gap of {length}"],
    "room.missing": ["这个直播间没有归档。", "This room is not archived."],
    "room.not_playable": ["这场直播没有可播放的视频。", "There is no video of this room to play."],

    "state.pending": ["待归档", "Pending"],
    "state.archived": ["已归档", "Archived"],
    "state.expired": ["已过期", "Expired"],
    "state.failed": ["失败", "Failed"],
    "state.rejected": ["不能归档", "Rejected"],
    "state.not_needed": ["无需归档", "Not needed"],

    "evidence.title": ["校验依据", "Evidence"],
    "evidence.summary": [
        "已归档 {archived} 个回放，共 {listed} 个 · {size} · 清单第 {revision} 版",
        "{archived} of {listed} recordings archived · {size} · revision {revision}",
    ],
    "evidence.published": ["清单发布于 {when}", "Manifest written {when}"],
    "evidence.manifest": ["清单", "Manifest"],
    "evidence.manifest.sha256": ["清单 SHA-256", "SHA-256 of the manifest"],
    "evidence.previous.sha256": ["第 {revision} 版的 SHA-256", "SHA-256 of revision {revision}"],
    "evidence.verify": ["不用本程序也能核验", "Verify it without this program"],
    "evidence.verify.hint": [
        "下面的命令下载这个直播间的文件夹，并用 SHA-256 逐个核对文件：",
        "This downloads the folder of the room and checks every file by SHA-256:",
    ],
    "evidence.compared": ["已比对：{what}", "Compared: {what}"],
    "evidence.length": ["源文件的大小", "the length at the source"],
    "evidence.mp4-structure": ["MP4 结构", "the structure of the MP4"],
    "evidence.samples": ["每一帧音视频", "every sample"],
    "evidence.part-sha256": ["每个分块的 SHA-256", "the SHA-256 of every part"],
    "evidence.store-size": ["存储中的大小", "the size in the store"],
    "evidence.store-crc64nvme": ["存储计算的 CRC-64/NVME", "the store's CRC-64/NVME"],
    "evidence.store-crc64xz": ["存储计算的 CRC-64/XZ", "the store's CRC-64/XZ"],
    "evidence.seams": ["拼接处的内容", "the seams, read back"],
    "evidence.source-crc64xz": ["源站的 CRC-64/XZ", "the source's CRC-64/XZ"],

    "banner.risk": [
        "{room} 的回放来不及归档，微信删除的时间：{when}。",
        "{room} will be deleted at WeChat {when}, before it is archived.",
    ],
    "banner.risk.past": [
        "{room} 的回放未及归档，可能已被微信删除，删除的时间：{when}。",
        "{room} was not archived, and has probably been deleted at WeChat {when}.",
    ],
    "banner.risk.more": ["另有 {count} 个也来不及归档。", "Others at risk: {count}."],
    "banner.next": ["尚未归档的回放中，微信最早删除的一个：{when}。", "WeChat deletes next {when}."],
    "banner.next.past": [
        "有尚未归档的回放可能已被微信删除，最早的一个：{when}。",
        "WeChat has probably deleted a recording {when} that is not archived.",
    ],
    "banner.next.rooms": ["待归档的直播间：{rooms}。", "Rooms to be archived: {rooms}."],
    "banner.lost": ["上次运行发现 {count} 个回放已经丢失。", "Recordings that the last run reported lost: {count}."],
    "banner.run": ["上次运行结束于 {when}", "Last run ended {when}"],

    "player.label": ["播放器", "Player"],
    "player.play": ["播放", "Play"],
    "player.pause": ["暂停", "Pause"],
    "player.back": ["后退 10 秒", "Back 10 seconds"],
    "player.forward": ["前进 10 秒", "Forward 10 seconds"],
    "player.mute": ["静音", "Mute"],
    "player.unmute": ["取消静音", "Unmute"],
    "player.volume": ["音量", "Volume"],
    "player.speed": ["播放速度", "Speed"],
    "player.fullscreen": ["全屏", "Full screen"],
    "player.position": ["播放位置", "Position"],
    "player.position.of": ["{position}，共 {total}", "{position} of {total}"],
    "player.position.clock": ["，北京时间 {clock}", ", {clock} Beijing time"],
    "player.clock": ["北京时间 {clock}", "Beijing {clock}"],
    "player.clock.go": ["跳转", "Go"],
    "player.clock.label": ["跳转到北京时间", "Go to this Beijing time"],
    "player.clock.outside": ["这个时间不在这场直播之内。", "The broadcast does not contain that time."],
    "player.link": ["复制此刻的链接", "Copy a link to this moment"],
    "player.link.done": ["已复制 {position} 的链接。", "Copied the link to {position}."],
    "player.help": ["键盘快捷键", "Keyboard shortcuts"],
    "player.help.close": ["关闭", "Close"],
    "player.gap": ["已跳过缺失的 {length}。", "Skipped a gap of {length}."],
    "player.resumed": ["从上次的 {position} 继续。", "Resuming at {position}."],
    "player.restart": ["从头播放", "Start over"],
    "player.failed": ["视频无法播放。", "The video cannot be played."],
    "player.skip": ["播放下一段", "Play the next segment"],
    "player.loading": ["正在缓冲…", "Buffering…"],

    "keys.play": ["播放或暂停", "play or pause"],
    "keys.five": ["后退、前进 5 秒", "5 seconds back, forward"],
    "keys.ten": ["后退、前进 10 秒", "10 seconds back, forward"],
    "keys.volume": ["增大、减小音量", "louder, quieter"],
    "keys.fullscreen": ["全屏", "full screen"],
    "keys.mute": ["静音", "mute"],
    "keys.tenth": ["跳到 0% … 90%", "go to 0% … 90%"],
    "keys.speed": ["减速、加速", "slower, faster"],
    "keys.help": ["显示本帮助", "this help"],
};

const LANGUAGES = ["zh", "en"];
const REMEMBERED = "language";

function chosen() {
    const remembered = globalThis.localStorage?.getItem(REMEMBERED);
    if (LANGUAGES.includes(remembered)) return remembered;
    return (globalThis.navigator?.language ?? "").toLowerCase().startsWith("zh") ? "zh" : "en";
}

// The language of the page: `zh` or `en`.
export const language = chosen();

// As the browser's own formats call it.
export const locale = language === "zh" ? "zh-CN" : "en";

// The text of a key in the page's language.
export function t(key, values = {}) {
    return TEXTS[key][LANGUAGES.indexOf(language)].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// The text of a word from the server, as "state" and "archived"; the word itself where this page does not know it.
export function word(group, name) {
    const key = `${group}.${name}`;
    return Object.hasOwn(TEXTS, key) ? t(key) : name;
}

// Makes the other language the one of this browser, and shows the page in it.
export function switchLanguage() {
    localStorage.setItem(
        REMEMBERED,
        LANGUAGES.find((other) => other !== language),
    );
    location.reload();
}

// Fills in the texts that the HTML names: `data-text` for content, `data-label` for `aria-label`,
// `data-placeholder` for a placeholder.
export function translate(root) {
    document.documentElement.lang = locale;
    for (const element of root.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
    for (const element of root.querySelectorAll("[data-label]"))
        element.setAttribute("aria-label", t(element.dataset.label));
    for (const element of root.querySelectorAll("[data-placeholder]"))
        element.placeholder = t(element.dataset.placeholder);
}
