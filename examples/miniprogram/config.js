// What a shop changes. No secret belongs here: anybody can unpack a mini program and read it.

module.exports = {
    // Where the API answers, without a slash at its end: the shop's own backend, which adds the API token (see the
    // README), or a `serve` that needs none. Its host has to be a request domain (request 合法域名) of the mini program.
    baseUrl: "https://replays.example.com",
    // The account whose rooms are shown.
    appid: "wx0123456789abcdef",
};
