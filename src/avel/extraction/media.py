"""Opening media files: what is in them, how long they are, and decoding them as far as they are sound."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

LONGEST = 100 * 3600.0
"""Seconds; a file that claims more has damaged time stamps."""
MOST_PIXELS = 2**26
"""Of one picture (8K has half as many); a file that claims more is damaged, or would fill the memory."""


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

    Warns of a file that is shorter than its header claims.

    Raises:
        UserError: the file cannot be read, holds neither picture nor sound, or its time stamps are damaged.
    """
    with opened(path) as container:
        video, audio = video_stream(container), audio_stream(container)
        ends = _ends(container, *(stream for stream in (video, audio) if stream))
        end = max(ends.values(), default=0.0)
        duration = end - begin(container)
        _check_duration(container, duration, end)
        has_video, has_audio = (stream is not None and stream.index in ends for stream in (video, audio))
        if video is None or not has_video:
            return MediaInfo(duration, False, has_audio)
        return MediaInfo(duration, True, has_audio, video.width, video.height, float(video.average_rate or 0))


def _ends(container: InputContainer, *streams: VideoStream | AudioStream) -> dict[int, float]:
    """Return the time stamp, in seconds, at which each stream ends, by its index; without those that are empty."""
    ends: dict[int, float] = {}
    for packet in _packets(container, *streams) if streams else ():
        if packet.pts is not None and packet.size:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            ends[packet.stream_index] = max(ends.get(packet.stream_index, end), end)
    return ends


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
        with av.open(f"file:{path}", metadata_errors="replace") as container:
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
    return (container.start_time or 0) / av.time_base


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
