"""What a player shows of a film at a time: read from the barcode of the picture, in Chromium."""

import random

from corpus import BAR, BITS, CODE
from webdriver import expect

#: So many seeks at once stay well within the time that a script may take.
AT_ONCE = 20
READ = """
const [url, times, bits, bar, code, done] = arguments;
(async () => {
  const video = document.querySelector('video');
  const heard = (event) => new Promise((resolve, reject) => {
    video.addEventListener(event, resolve, { once: true });
    video.addEventListener('error', () => reject(new Error(video.error?.message || 'the video failed')), { once: true });
  });
  if (video.getAttribute('src') !== url) {
    video.preload = 'auto';
    const ready = heard('loadeddata');
    video.src = url;
    await ready;
  }
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const shown = [];
  for (const time of times) {
    const sought = heard('seeked');
    // The frame that is sought may be the one that is shown: then no other comes.
    const framed = new Promise((resolve) => {
      video.requestVideoFrameCallback(() => resolve());
      setTimeout(resolve, 300);
    });
    video.currentTime = time;
    await sought;
    await framed;
    context.drawImage(video, 0, 0);
    const pixels = context.getImageData(0, code / 2, canvas.width, 1).data;
    let number = 0;
    for (let bit = 0; bit < bits; bit += 1) {
      if (pixels[4 * (bit * bar + bar / 2)] > 128) number += 2 ** bit;
    }
    shown.push(number);
  }
  return { shown, duration: video.duration, size: [canvas.width, canvas.height] };
})().then(done, (error) => done({ error: String(error) }));
"""


def times(room, begins_ms, pictures_of):
    """When each picture of a film has been shown for half its time, in seconds: `pictures_of` says when each picture
    of each segment begins to be shown in it."""
    half = float(1 / room.fps) / 2
    return [
        begins / 1000 + shown + half for begins, pictures in zip(begins_ms, pictures_of) for shown in sorted(pictures)
    ]


def chosen(middles, count, room):
    """Pictures to look at: those at the joints, and others at random, the same in each run."""
    lengths, joints, first = room.lengths(), [], 0
    for pictures in lengths:
        joints += [first, first + pictures - 1]
        first += pictures
    others = random.Random(room.number).choices(range(len(middles)), k=max(0, count - len(joints)))
    numbers = (joints + others)[:count] if len(joints) <= count else random.Random(room.number).sample(joints, count)
    random.Random(count).shuffle(numbers)
    return numbers


def look(browser, url, room, middles, count):
    """Seeks to so many pictures of a film, by their times; each has to be the right one. Returns how long the film
    says it is."""
    numbers = chosen(middles, count, room)
    wrong, found = [], {}
    for start in range(0, len(numbers), AT_ONCE):
        some = numbers[start:start + AT_ONCE]
        found = browser.run_async(READ, url, [middles[number] for number in some], BITS, BAR, CODE)
        expect("the film plays", "error" not in found, found)
        wrong += [(number, shown) for number, shown in zip(some, found["shown"]) if number != shown]
    expect(f"{len(numbers)} seeks show the right picture of {room.name!r}", not wrong, wrong[:10])
    return found["duration"]
