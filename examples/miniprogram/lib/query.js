// Queries. Mini programs have no URLSearchParams.

// `?name=value&…` of what is there.
function encoded(query) {
    const sent = Object.keys(query).filter((name) => ![undefined, null, ""].includes(query[name]));
    const pairs = sent.map((name) => `${name}=${encodeURIComponent(query[name])}`);
    return pairs.length > 0 ? `?${pairs.join("&")}` : "";
}

// A parameter of a page, which arrives as it is in the address.
function decoded(text = "") {
    try {
        return decodeURIComponent(text);
    } catch (error) {
        return text;
    }
}

module.exports = { decoded, encoded };
