"""repeat.py VIDEO TIMES OUTPUT: the packets of a video several times over, one behind the other."""

import sys

import av


def main() -> None:
    path, times, output = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    with av.open(output, "w") as written:
        stream, offset = None, 0
        for _ in range(times):
            with av.open(path) as video:
                end = offset
                for packet in video.demux(video.streams.video[0]):
                    if packet.dts is None:  # the end
                        continue
                    if stream is None:
                        stream = written.add_stream_from_template(video.streams.video[0])
                    packet.pts += offset
                    packet.dts += offset
                    end = max(end, packet.pts + (packet.duration or 1))
                    packet.stream = stream
                    written.mux(packet)
                offset = end


main()
