// Elements without markup: text stays text, whatever a room or an item is called.

const SVG = "http://www.w3.org/2000/svg";

// An element with its properties and children. `on` holds listeners, `class` the classes; what is null or
// false is left out. Children that are null are left out as well.
export function el(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
        if (name === "on") {
            for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
        } else if (value === true) {
            element.setAttribute(name, "");
        } else if (value !== null && value !== undefined && value !== false) {
            element.setAttribute(name, value);
        }
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
}

// What somebody else wrote: it keeps its own direction, and does not turn that of its neighbours.
export function foreign(tag, text, properties = {}) {
    return el(tag, { dir: "auto", ...properties }, text);
}

const ICONS = {
    play: "M8 5v14l11-7z",
    pause: "M7 5h4v14H7zM13 5h4v14h-4z",
    back: "M11 6v12l-8.500-6zM20.500 6v12L12 12z",
    forward: "M13 6v12l8.500-6zM3.500 6v12L12 12z",
    loud: "M4 9v6h4l5 5V4L8 9zM15.500 8.500a5 5 0 0 1 0 7zM15.500 5a8 8 0 0 1 0 14v-2a6 6 0 0 0 0-10z",
    muted: "M4 9v6h4l5 5V4L8 9zM16 9.400 17.400 8 20 10.600 22.600 8 24 9.400 21.400 12 24 14.600 22.600 16 20 13.400 17.400 16 16 14.600 18.600 12z",
    fullscreen: "M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z",
    link: "M10 14a4 4 0 0 1 0-5.700l3-3a4 4 0 0 1 5.700 5.700l-1.500 1.500-1.400-1.400 1.500-1.500a2 2 0 0 0-2.900-2.900l-3 3a2 2 0 0 0 0 2.900zM14 10a4 4 0 0 1 0 5.700l-3 3a4 4 0 0 1-5.700-5.700l1.500-1.500 1.400 1.400-1.500 1.500a2 2 0 0 0 2.900 2.900l3-3a2 2 0 0 0 0-2.900z",
};

// A picture of a control. The control itself has the name.
export function icon(name) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", ICONS[name]);
    svg.append(path);
    return svg;
}

// A button that puts a text on the clipboard, and says that it has. `what` tells a screen reader which text.
export function copyButton(label, done, text, what = null) {
    const button = el(
        "button",
        { type: "button", class: "quiet copy", "aria-label": what && `${label}: ${what}` },
        label,
    );
    button.addEventListener("click", async () => {
        await copy(text());
        button.textContent = done;
        setTimeout(() => (button.textContent = label), 2000);
    });
    return button;
}

// Puts a text on the clipboard, also where the page is not on https and the browser keeps its clipboard away.
export async function copy(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = el("textarea", { class: "out-of-sight", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
}
