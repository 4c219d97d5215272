// Response heads: parser, framing, writer.

#include "heads.h"
#include "http/framing.h"

namespace fuzz {
namespace {

void check_written_response(const ResponseHead& head) {
    static char storage[96 * 1024];
    static ResponseHead again;
    HeadWriter writer(storage, sizeof storage);
    writer.status_line(head.status, head.reason_phrase);
    write_fields(writer, head.fields);
    ResponseParser parser;
    ParseOutcome outcome = parser.parse(writer.text().data(), writer.size(), again);
    if (outcome.failed() && refusal_of(outcome.error) == Refusal::head_too_large) return;
    CHECK(outcome.complete());
    CHECK(again.status == head.status && again.reason_phrase == head.reason_phrase);
    CHECK(same_fields(again.fields, head.fields));
}

void check_framing(const ResponseHead& head) {
    for (Method method : {Method::get, Method::head}) {
        Result<Framing> framing = decide_response_framing(head, method);
        if (!framing.ok()) {
            CHECK(describe(framing.error().reason).status == 502);
            continue;
        }
        bool bodyless =
            method == Method::head || head.status < 200 || head.status == 204 || head.status == 304;
        CHECK(bodyless == (framing->kind == BodyKind::none));
        CHECK(framing->kind != BodyKind::until_close || !framing->keep_alive);
        CHECK(head.version == Version::http_1_1 || !framing->keep_alive);
        CHECK(framing->upgrade == (head.status == 101));
    }
}

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace fuzz;
    static ResponseHead head;
    Exact input(text_of(data, size));
    std::string_view text = input.text();
    uint64_t choice = hash(text);
    ParseOutcome outcome;
    parse_every_way(
        text, choice,
        [](const ScanPath& path) { return ResponseParser(Source::upstream, {}, path); }, outcome,
        head);
    if (outcome.complete()) {
        check_fields(head.fields);
        check_framing(head);
        check_written_response(head);
    }
    size_t end = text.find("\r\n\r\n");
    if (!ask_reference(choice) || end == std::string_view::npos) return 0;
    std::optional<reference::Head> expected =
        reference::response(std::string(text.substr(0, end + 4)));
    CHECK(expected.has_value() == outcome.complete());
    if (!expected) return 0;
    CHECK(outcome.head_size == end + 4);
    CHECK(head.status == expected->status && head.reason_phrase == expected->reason);
    CHECK(same_fields(head.fields, *expected));
    return 0;
}
