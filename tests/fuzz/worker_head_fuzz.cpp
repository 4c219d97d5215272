// The head of a worker's answer, as a hostile process writes it into shared memory: whatever is
// taken can be written to a client and is read there as the same fields, none of them about framing
// or the connection.

#include "heads.h"
#include "worker/heads.h"

namespace fuzz {
namespace {

void check_decoded(const ResponseHead& head) {
    check_fields(head.fields);
    CHECK(head.status >= 100 && head.status <= 599);
    for (FieldId id : {FieldId::connection, FieldId::transfer_encoding, FieldId::upgrade,
                       FieldId::keep_alive, FieldId::te}) {
        CHECK(!head.fields.has(id));
    }
    static char storage[96 * 1024];
    static ResponseHead again;
    HeadWriter writer(storage, sizeof storage);
    writer.status_line(head.status, head.reason_phrase);
    write_fields(writer, head.fields);
    ResponseParser parser(Source::worker);
    ParseOutcome outcome = parser.parse(writer.text().data(), writer.size(), again);
    // Fields may share bytes in the worker's head, but not on the wire.
    if (outcome.failed() && refusal_of(outcome.error) == Refusal::head_too_large) return;
    CHECK(outcome.complete() && outcome.head_size == writer.size());
    CHECK(again.status == head.status && same_fields(again.fields, head.fields));
}

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace fuzz;
    if (size > RTW_BLOCK_BYTES) return 0;
    Exact shared(text_of(data, size));
    auto available = static_cast<uint32_t>(size);
    uint32_t bytes = worker::peek_head_bytes(shared.data(), available);
    CHECK(bytes <= available && bytes <= RTW_RESPONSE_HEAD_BYTES_MAX);
    if (bytes == 0) return 0;
    Exact copy(shared.text().substr(0, bytes));
    static ResponseHead head;
    Result<worker::DecodedHead> decoded = worker::decode_response_head(copy.data(), bytes, head);
    if (!decoded.ok()) {
        CHECK(decoded.error().reason == Reason::worker_protocol);
        return 0;
    }
    CHECK(decoded->head_bytes == bytes);
    check_decoded(head);
    return 0;
}
