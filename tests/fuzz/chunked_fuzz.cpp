// Chunked bodies: any cuts give the same data, end and error; what was decoded can be encoded
// again.

#include <string>

#include "check.h"
#include "http/body_decoder.h"
#include "http/head_writer.h"
#include "reference_parser.h"

namespace fuzz {
namespace {

using namespace ringtime;
using namespace ringtime::http;

struct Decoded {
    std::string data;
    size_t consumed = 0;
    bool done = false;
    Error error;
    bool operator==(const Decoded&) const = default;
};

/// Feeds pieces of `piece` bytes, each from its own memory.
Decoded decode(std::string_view text, size_t piece, TrailerStore* trailers) {
    Framing framing;
    framing.kind = BodyKind::chunked;
    BodyDecoder decoder(framing, Source::client, trailers);
    Decoded result;
    while (result.consumed < text.size() && !result.done && result.error.ok()) {
        Exact bytes(text.substr(result.consumed, piece));
        size_t at = 0;
        while (at < bytes.size() && !result.done && result.error.ok()) {
            BodyDecoder::Step step = decoder.decode(bytes.data() + at, bytes.size() - at);
            CHECK(step.consumed <= bytes.size() - at);
            CHECK(step.size == 0 || (step.data >= bytes.data() + at &&
                                     step.data + step.size <= bytes.data() + at + step.consumed));
            CHECK(step.consumed > 0 || !step.error.ok());
            if (step.size > 0) result.data.append(step.data, step.size);
            at += step.consumed;
            result.done = step.done;
            result.error = step.error;
        }
        result.consumed += at;
    }
    CHECK(decoder.decoded() == result.data.size());
    CHECK((decoder.on_eof() == BodyDecoder::End::complete) == result.done);
    return result;
}

void check_encoded(const std::string& data, uint64_t choice) {
    std::string encoded;
    size_t piece = choice % 97 + 1;
    for (size_t at = 0; at < data.size(); at += piece) {
        std::string_view chunk = std::string_view(data).substr(at, piece);
        char line[chunk_line_size_max];
        encoded.append(line, write_chunk_line(chunk.size(), line));
        encoded.append(chunk).append(chunk_end);
    }
    encoded.append(last_chunk);
    Decoded again = decode(encoded, encoded.size(), nullptr);
    CHECK(again.done && again.data == data && again.consumed == encoded.size());
}

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace fuzz;
    static TrailerStore trailers;
    static char text_of_trailers[limits::trailer_bytes_max];
    trailers.text = text_of_trailers;
    trailers.capacity = sizeof text_of_trailers;
    std::string_view text = text_of(data, size);
    uint64_t choice = hash(text);
    Decoded whole = decode(text, text.size(), &trailers);
    if (whole.done) {
        for (unsigned i = 0; i < trailers.fields.size(); ++i) {
            CHECK(trailers.fields[i].id == FieldId::other);
        }
        check_encoded(whole.data, choice);
    }
    CHECK(decode(text, choice % 61 + 1, nullptr) == whole);
    if (text.size() <= 128) CHECK(decode(text, 1, nullptr) == whole);
    if (!ask_reference(choice)) return 0;
    std::optional<reference::Body> expected = reference::chunked(std::string(text));
    CHECK(expected.has_value() == whole.done);
    if (expected) CHECK(expected->data == whole.data && expected->consumed == whole.consumed);
    return 0;
}
