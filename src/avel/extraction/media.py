"""Opening media files: what is in them, how long they are, and decoding them as far as they are sound."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from typing import Any, overload

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from avel.errors import UserError

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpeg,mpegts,ogg,asf,wtv,mxf,nut,rm,dv,gif,apng,ivf,yuv4mpegpipe,"
    "h261,h263,h264,hevc,m4v,mpegvideo,mjpeg,aac,ac3,eac3,aiff,amr,ape,au,caf,dts,flac,loas,mp3,oma,tta,voc,w64,wav,wv"
)
"""Formats that hold what they play: lists of other files (HLS, DASH, ffconcat, SDP) may name any file or address."""

OPTIONS = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
"""What FFmpeg may open when it is given a file, whatever this is called."""

LONGEST = 100 * 3600.0
"""Seconds; a file that claims more has damaged time stamps."""
MOST_PIXELS = 2**26
"""Of one picture (8K has half as many); a file that claims more is damaged, or would fill the memory."""
LONG_GAP, LONGEST_GAP = 60.0, 3600.0
"""Seconds with neither picture nor sound that are told, and those that no camera makes, but damaged time stamps do."""
SORTED = 32
"""Pictures; no codec shows one as many packets later as that."""

Span = tuple[float, float, int]
"""When a packet begins and ends, in seconds, and of which stream it is."""


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What is in a media file.

    Attributes:
        duration: seconds from where the file begins (the earlier of picture and sound) to where the later one ends,
            measured by time stamps, whatever its header claims.
        has_video: whether there are pictures; the cover of a song is none.
        has_audio: whether there is sound.
        width: of a picture before it is turned upright; 0 without any.
        height: the same.
        fps: pictures per second on average; 0 if unknown.
    """

    duration: float
    has_video: bool
    has_audio: bool
    width: int = 0
    height: int = 0
    fps: float = 0.0


def probe(path: str | Path) -> MediaInfo:
    """Look through a file's packets, from the first to the last, without decoding them.

    Warns of a file that is shorter than its header claims, and of long gaps.

    Raises:
        UserError: the file cannot be read, holds neither picture nor sound, or its time stamps are damaged.
    """
    with opened(path) as container:
        video, audio = video_stream(container), audio_stream(container)
        start = begin(container)
        ends = _ends(container, start, *(stream for stream in (video, audio) if stream))
        end = max(ends.values(), default=0.0)
        duration = end - start
        _check_duration(container, duration, end)
        has_video, has_audio = (stream is not None and stream.index in ends for stream in (video, audio))
        if video is None or not has_video:
            return MediaInfo(duration, False, has_audio)
        return MediaInfo(duration, True, has_audio, video.width, video.height, float(video.average_rate or 0))


def _ends(container: InputContainer, start: float, *streams: VideoStream | AudioStream) -> dict[int, float]:
    """Return the time stamp, in seconds, at which each stream ends, by its index; without those that are empty."""
    ends: dict[int, float] = {}
    done, longest = start, (0.0, 0.0)
    for begun, end, stream in _in_order(_spans(container, *streams) if streams else ()):
        longest = max(longest, (begun - done, done - start))
        done = max(done, end)
        ends[stream] = max(ends.get(stream, end), end)
    _check_gap(container, *longest)
    return ends


def _spans(container: InputContainer, *streams: VideoStream | AudioStream) -> Iterator[Span]:
    for packet in _packets(container, *streams):
        if packet.pts is not None and packet.size:
            begun, end = packet.pts * packet.time_base, (packet.pts + (packet.duration or 0)) * packet.time_base
            yield float(begun), float(end), packet.stream_index


def _in_order(spans: Iterable[Span]) -> Iterator[Span]:
    """Put the packets of pictures in the order in which they are shown."""
    waiting: list[Span] = []
    for span in spans:
        heappush(waiting, span)
        if len(waiting) > SORTED:
            yield heappop(waiting)
    yield from sorted(waiting)


def _check_gap(container: InputContainer, length: float, since: float) -> None:
    where = f"{_name(container)}: has neither picture nor sound for {length:.0f} s from {since:.1f} s on"
    if length > LONGEST_GAP:
        raise UserError(f"{where}, so its time stamps are damaged: write the file anew")
    if length > LONG_GAP:
        warnings.warn(f"{where}: if that is not meant, its time stamps are damaged", stacklevel=4)


def _check_duration(container: InputContainer, duration: float, end: float) -> None:
    name, claimed = _name(container), (container.duration or 0) / av.time_base
    if duration <= 0:
        raise UserError(f"{name}: holds neither picture nor sound: get it again or leave it out")
    if duration > LONGEST:
        raise UserError(
            f"{name}: lasts {duration / 3600:.0f} hours by its time stamps, so these are damaged: write the file anew"
        )
    if claimed > 1.05 * end + 1:  # some formats claim the end for the duration
        warnings.warn(f"{name}: ends after {end:.1f} of {claimed:.1f} s: it seems to be cut off", stacklevel=3)


@contextmanager
def opened(path: str | Path) -> Iterator[InputContainer]:
    """Open a file for reading.

    Raises:
        UserError: there is no such file, or FFmpeg cannot make sense of it, now or while it is read.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    try:
        # "file:" because a name may have colons; the names of artists and songs may be in any encoding
        with av.open(f"file:{path}", metadata_errors="replace", options=OPTIONS) as container:
            yield container
    except av.FFmpegError as error:
        raise UserError(f"{path}: cannot be read as video or sound ({error.strerror}): get it again") from error


def video_stream(container: InputContainer) -> VideoStream | None:
    """Return the stream of pictures that a player would choose, if there is one."""
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic or not stream.codec_context:
        return None
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    return stream


def audio_stream(container: InputContainer) -> AudioStream | None:
    """Return the stream of sound that a player would choose, if there is one."""
    stream = container.streams.best("audio")
    return stream if isinstance(stream, AudioStream) and stream.codec_context else None


def begin(container: InputContainer) -> float:
    """Return the time stamp, in seconds, at which a file begins, be it with sound or with picture."""
    start = (container.start_time or 0) / av.time_base
    return min(start, _first_of_few_pictures(_name(container))) if start > 0 else start


def _first_of_few_pictures(path: str) -> float:
    """Return the first picture's time stamp if there are few; infinity else.

    FFmpeg takes the beginning of the sound for that of the picture where there are fewer than it sorts at once.
    """
    with opened(path) as container:
        stream = video_stream(container)
        packets = list(islice(_packets(container, stream), SORTED)) if stream else []
    stamps = [packet.pts * packet.time_base for packet in packets if packet.pts is not None and not packet.is_discard]
    return float(min(stamps)) if stamps and len(packets) < SORTED else math.inf


@overload
def decode(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]: ...
@overload
def decode(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]: ...
def decode(container: InputContainer, stream: VideoStream | AudioStream) -> Iterator[VideoFrame] | Iterator[AudioFrame]:
    """Decode a stream to its end; what is damaged is passed over, with one warning that counts it."""
    damaged = 0
    for packet in _packets(container, stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            damaged += 1
            continue
        yield from frames
    if damaged:
        warnings.warn(f"{_name(container)}: {damaged} damaged packets of {stream.type} left out", stacklevel=2)


def _packets(container: InputContainer, *streams: VideoStream | AudioStream) -> Iterator[Packet[Any]]:
    """Give packets to the end of the file, or to where it breaks off."""
    try:
        yield from container.demux(*streams)
    except av.FFmpegError as error:
        warnings.warn(f"{_name(container)}: breaks off ({error.strerror}), used up to there", stacklevel=2)


def _name(container: InputContainer) -> str:
    return container.name.removeprefix("file:")
