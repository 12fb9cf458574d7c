// How a <video> loads a medium: a file by itself, HLS by hls.js, or by itself where the browser has no media sources.

const HLS = "/assets/vendor/hls.light.min.mjs";

let Hls = null;

// Fetches what these media need to be loaded. To be awaited before `load`.
export async function prepare(media) {
    const hasMediaSources = Boolean(globalThis.ManagedMediaSource ?? globalThis.MediaSource);
    if (!hasMediaSources || !media.some(({ kind }) => kind === "hls")) return;
    const module = await import(HLS);
    if (module.default.isSupported()) Hls = module.default;
}

// Loads a medium into a video so that it begins `at` seconds into it. `lost` is called where it cannot be played;
// what is returned ends the loading.
export function load(video, medium, at, lost) {
    return medium.kind === "hls" && Hls ? loadHls(video, medium.url, at, lost) : loadFile(video, medium.url, at, lost);
}

function loadFile(video, url, at, lost) {
    const begin = () => (video.currentTime = at);
    video.addEventListener("error", lost);
    if (at > 0) video.addEventListener("loadedmetadata", begin, { once: true });
    video.src = url;
    video.load();
    return () => {
        video.removeEventListener("error", lost);
        video.removeEventListener("loadedmetadata", begin);
        video.removeAttribute("src");
        video.load();
    };
}

// What a server answers where a signature has expired. hls.js would ask for the same again, for most of a minute.
const REFUSED = [401, 403];

function loadHls(video, url, at, lost) {
    const hls = new Hls({ startPosition: at, maxBufferLength: 30 });
    let mended = false;
    hls.on(Hls.Events.ERROR, (_, error) => {
        if (REFUSED.includes(error.response?.code)) {
            hls.stopLoad();
            lost();
        } else if (error.fatal && error.type === Hls.ErrorTypes.MEDIA_ERROR && !mended) {
            mended = true;
            hls.recoverMediaError();
        } else if (error.fatal) {
            lost();
        }
    });
    hls.loadSource(url);
    hls.attachMedia(video);
    return () => hls.destroy();
}
