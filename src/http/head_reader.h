#pragma once
// Reads a head from a stream's buffers. One that lies within a buffer is parsed where it is and the
// buffer is kept by a pin; one that spans buffers, or is not complete yet, is gathered, so that a
// slow sender never holds a shared buffer. Templates, so that this folder needs no sockets:
// `Stream` offers readable(), more_readable(), consume(), pin(); `Gather` offers empty(), view(),
// add().

#include "base/piece.h"
#include "http/head_parser.h"

namespace ringtime::http {

/// Result: as the parser's; need_more when everything readable has been taken in. When complete,
/// exactly the head's bytes are consumed, and its views live as long as `pin` (if set) or `gather`
/// do.
template <typename Parser, typename Head, typename Stream, typename Gather>
[[nodiscard]] ParseOutcome read_head(Parser& parser, Head& head, Stream& stream, Gather& gather,
                                     Piece& pin) noexcept {
    ParseOutcome outcome;
    while (!stream.readable().empty()) {
        std::string_view unread = stream.readable();
        size_t have = gather.view().size();
        if (have == 0) {
            outcome = parser.parse(unread.data(), unread.size(), head);
            if (outcome.complete()) {
                pin = stream.pin();
                stream.consume(outcome.head_size);
                return outcome;
            }
            if (outcome.failed()) return outcome;
        }
        if (!gather.add(unread)) {
            outcome.state = ParseOutcome::State::failed;
            outcome.error = {Reason::overload, Source::gateway, Retry::no, 0, 0};
            return outcome;
        }
        std::string_view text = gather.view();
        outcome = parser.parse(text.data(), text.size(), head);
        if (outcome.failed()) return outcome;
        // What follows the head in this buffer is body or the next message and stays unread.
        bool complete = outcome.complete();
        stream.consume(static_cast<uint32_t>(complete ? outcome.head_size - have : unread.size()));
        if (complete) return outcome;
    }
    return outcome;
}

}  // namespace ringtime::http
