// What went wrong, said to the person who watches.

const SENTENCES = {
    timeout: "服务器响应太慢，请稍后再试",
    offline: "网络不通，请检查网络后重试",
    domain: "请求的域名不在小程序的合法域名列表里，请联系商家",
    denied: "没有权限查看这里的回放，请联系商家",
    missing: "没有找到回放，可能尚未归档",
    busy: "现在观看的人太多，请稍后再试",
    broken: "服务器出了问题，请稍后再试",
};

// The sentence for an error of the API.
function say(error) {
    return SENTENCES[error && error.kind] || SENTENCES.broken;
}

module.exports = { say };
