"""Pictures of the chat page for the README: ``python -m tools.page_pictures``. Needs Chromium and nginx.

The animation is a cold start in real time: a function without a model in its cache fetches the default model from a
store on loopback, limited per connection, while the visitor waits with a question. The browser reports each frame that
it paints; a frame of the animation is the rectangle that changed. The still shows the same wait, without motion. The
screenshots show a scripted reply.
"""

import asyncio
import base64
import json
import re
import struct
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Page, ViewportSize, async_playwright, expect

from function import default_model
from tests.page.conftest import ALONE, CHROMIUM
from tests.page.test_looks import DESKTOP, PHONE
from tests.servers.doors import serving
from tests.servers.nginx import nginx
from tests.servers.page_server import PageServer, first, thoughts, whole
from tools.pictures import PICTURES

RATE_PER_CONNECTION = "500k"
QUESTION = "Give me three tips for a good night's sleep."
SAMPLING = {"temperature": 0.3, "top_p": 0.9, "seed": 15}
"""Sampling with which this small model gives a sensible answer."""
VIEWPORT: ViewportSize = {"width": 720, "height": 430}
FRAME_SECONDS = 0.1
"""Shortest time between two frames of the animation."""
LAST_FRAME_SECONDS = 4.0
PATIENCE_MS = 120_000

SCREENSHOTS: dict[str, dict[str, Any]] = {
    "page-desktop": {**DESKTOP, "color_scheme": "light"},
    "page-phone": {**PHONE, "color_scheme": "dark", "device_scale_factor": 2},
}
THOUGHTS = "Size divided by rate: 7.16 GB / 0.5 GB/s = 14.32 s."
ANSWER = r"""The time is the size divided by the rate:

$$t = \frac{7.16\ \text{GB}}{0.5\ \text{GB/s}} \approx 14.3\ \text{s}$$

```python
def seconds(size: float, rate: float):
    return size / rate
```

| rate | time |
|---|---:|
| 500 MB/s | 14.3 s |
| 1000 MB/s | 7.2 s |
"""

DIFFERENCES = """async (frames) => {
    const draw = async (data) => {
        const image = await createImageBitmap(await (await fetch("data:image/png;base64," + data)).blob());
        const canvas = new OffscreenCanvas(image.width, image.height);
        const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
        context.drawImage(image, 0, 0);
        return { canvas, pixels: new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer) };
    };
    const encode = async (canvas, x, y, width, height) => {
        const part = new OffscreenCanvas(width, height);
        part.getContext("2d", { alpha: false }).drawImage(canvas, -x, -y);
        const bytes = new Uint8Array(await (await part.convertToBlob({ type: "image/png" })).arrayBuffer());
        return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    };
    const found = [];
    let last = null;
    for (const data of frames) {
        const { canvas, pixels } = await draw(data);
        const { width, height } = canvas;
        let [left, top, right, bottom] = last ? [width, height, -1, -1] : [0, 0, width - 1, height - 1];
        for (let at = 0; last && at < pixels.length; at++) {
            if (pixels[at] === last[at]) continue;
            const [x, y] = [at % width, Math.floor(at / width)];
            [left, right] = [Math.min(left, x), Math.max(right, x)];
            [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
        }
        last = pixels;
        const box = [left, top, right - left + 1, bottom - top + 1];
        found.push(right < 0 ? null : { box, png: await encode(canvas, ...box) });
    }
    return found;
}"""
"""Function that returns for each frame its changed rectangle (x, y, width, height) and the PNG of it, or null."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Painted frame: seconds since the epoch, and a PNG in base64."""

    seconds: float
    png: str


@dataclass(frozen=True, slots=True)
class Patch:
    """Changed rectangle of a frame: x, y, width and height in pixels, a PNG of it, and the time that it is shown."""

    box: tuple[int, int, int, int]
    png: bytes
    seconds: float


def main() -> None:
    """Write all pictures."""
    asyncio.run(take_pictures())


async def take_pictures() -> None:
    """Write the animation, its still, and two screenshots."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=ALONE)
        # Without the page's own motion every painted frame has something new.
        await take_cold_start(await chromium.new_page(viewport=VIEWPORT, reduced_motion="reduce"))
        for name, options in SCREENSHOTS.items():
            await take_screenshot(await chromium.new_page(reduced_motion="reduce", **options), name)
        await chromium.close()


async def take_screenshot(page: Page, name: str) -> None:
    """Write a screenshot of a conversation with a scripted reply of a model that thinks."""
    with PageServer() as server:
        server.model["meta"] = {"n_ctx": 4096}
        server.will([first(), *thoughts(THOUGHTS), *whole(ANSWER)[1:]])
        await page.goto(server.url)
        await page.locator("body.ready").wait_for()
        await ask(page, "How long does a model of 7.16 GB take to arrive at 500 MB/s? With a formula and a function.")
        await page.screenshot(path=str(PICTURES / f"{name}.png"))
    await page.close()


async def ask(page: Page, question: str) -> None:
    """Send a question, and wait until its reply has ended."""
    await send(page, question)
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible(timeout=PATIENCE_MS)


async def send(page: Page, question: str) -> None:
    """Send a question."""
    await page.get_by_label("Message", exact=True).fill(question)
    await page.get_by_role("button", name="Send", exact=True).click()


async def take_cold_start(page: Page) -> None:
    """Write the animation and its still."""
    model = default_model.find()
    assert model, default_model.missing()
    page.set_default_timeout(PATIENCE_MS)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        with nginx(model, home, limit=RATE_PER_CONNECTION) as store:
            env = {"AWS_ENDPOINT_URL": store.urls[False, True], "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
            settings = {"MODEL_URI": f"s3://bucket/{model.name}", "MODEL_NAME": default_model.NAME, "N_THREADS": "1"}
            with serving(home, **env, **settings) as function:
                frames, still = await record(page, function.url)
    (PICTURES / "cold-start-page.png").write_bytes(animation(await patches(page, frames)))
    (PICTURES / "cold-start-page-still.png").write_bytes(still)


async def record(page: Page, url: str) -> tuple[list[Frame], bytes]:
    """Return the frames of one cold start with a question, and a screenshot of the wait."""
    frames: list[Frame] = []
    session = await page.context.new_cdp_session(page)

    def note(event: dict[str, Any]) -> None:
        frames.append(Frame(event["metadata"]["timestamp"], event["data"]))
        acknowledged.append(
            asyncio.ensure_future(session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]}))
        )

    acknowledged: list[asyncio.Future[Any]] = []
    session.on("Page.screencastFrame", note)
    await page.add_init_script(f"localStorage.setItem('chat:/:settings', '{json.dumps(SAMPLING)}')")
    await page.goto(url)
    await page.locator("body.ready").wait_for()
    await session.send("Page.startScreencast", {"format": "png"})
    await send(page, QUESTION)
    await expect(page.locator(".wait-detail")).to_have_text(re.compile(r"^[3-9]\d%"), timeout=PATIENCE_MS)
    still = await page.screenshot()
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    await page.wait_for_timeout(500)
    await session.send("Page.stopScreencast")
    return sorted(frames, key=lambda frame: frame.seconds), still


async def patches(page: Page, frames: Sequence[Frame]) -> list[Patch]:
    """Return the changed rectangles of ``frames``, at most one in FRAME_SECONDS."""
    kept = [frames[0]]
    for frame, following in zip(frames[1:], [*frames[2:], None], strict=True):
        if following is None or following.seconds - kept[-1].seconds >= FRAME_SECONDS:
            kept.append(frame)
    await page.goto("about:blank")
    found = await page.evaluate(DIFFERENCES, [frame.png for frame in kept])
    changed = [(frame, each) for frame, each in zip(kept, found, strict=True) if each]
    ends = [frame.seconds for frame, _ in changed[1:]] + [changed[-1][0].seconds + LAST_FRAME_SECONDS]
    return [
        Patch(tuple(each["box"]), base64.b64decode(each["png"]), end - frame.seconds)
        for (frame, each), end in zip(changed, ends, strict=True)
    ]


def animation(patches: Sequence[Patch]) -> bytes:
    """Return an animated PNG that plays ``patches`` endlessly."""
    header = dict(chunks(patches[0].png))[b"IHDR"]
    out = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"acTL", struct.pack(">II", len(patches), 0))]
    number = 0
    for patch in patches:
        parts = list(chunks(patch.png))
        assert dict(parts)[b"IHDR"][8:] == header[8:], "one format of pixels"
        x, y, width, height = patch.box
        timing = struct.pack(">IIIIIHHBB", number, width, height, x, y, round(patch.seconds * 1000), 1000, 0, 0)
        out.append(chunk(b"fcTL", timing))
        data = zlib.compress(zlib.decompress(b"".join(body for kind, body in parts if kind == b"IDAT")), 9)
        if number == 0:
            out.append(chunk(b"IDAT", data))
            number += 1
        else:
            out.append(chunk(b"fdAT", struct.pack(">I", number + 1) + data))
            number += 2
    return b"".join([*out, chunk(b"IEND", b"")])


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and body of each chunk."""
    at = 8
    while at < len(png):
        size = int.from_bytes(png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += 12 + size


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk with its size and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


if __name__ == "__main__":
    main()
