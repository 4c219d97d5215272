#pragma once
// Invariants of a request head, for the targets that make requests.

#include "heads.h"
#include "http/framing.h"
#include "http/target.h"

namespace fuzz {

inline void check_written_request(const RequestHead& head) {
    static char storage[96 * 1024];
    static RequestHead again;
    HeadWriter writer(storage, sizeof storage);
    writer.request_line(head.method_text, head.target);
    write_fields(writer, head.fields);
    RequestParser parser;
    ParseOutcome outcome = parser.parse(writer.text().data(), writer.size(), again);
    // Lines are rewritten with one blank before the value: a head close to the limit may outgrow
    // it.
    if (outcome.failed() && refusal_of(outcome.error) == Refusal::head_too_large) return;
    // A request of 1.0 may lack what 1.1 demands.
    if (outcome.failed() && head.version == Version::http_1_0) return;
    CHECK(outcome.complete());
    CHECK(outcome.head_size == writer.size());
    CHECK(again.method == head.method && again.target == head.target && again.path == head.path);
    CHECK(again.host == head.host && again.authority == head.authority);
    CHECK(same_fields(again.fields, head.fields));
}

inline void check_framing(const RequestHead& head) {
    Result<Framing> framing = decide_framing(head);
    if (!framing.ok()) {
        CHECK(refusal_of(framing.error()) != Refusal::none);
        return;
    }
    bool length = head.fields.has(FieldId::content_length);
    bool coding = head.fields.has(FieldId::transfer_encoding);
    CHECK(!(length && coding));
    CHECK((framing->kind == BodyKind::length) == length);
    CHECK((framing->kind == BodyKind::chunked) == coding);
    CHECK(!framing->upgrade || framing->kind == BodyKind::none);
    CHECK(framing->length <= INT64_MAX);
    HopByHop hop = hop_by_hop_fields(head.fields);
    for (unsigned i = 0; i < head.fields.size(); ++i) {
        FieldId id = head.fields[i].id;
        if (id == FieldId::host || id == FieldId::content_length ||
            id == FieldId::transfer_encoding) {
            CHECK(!hop.drop.test(i));
        }
        if (id == FieldId::connection || id == FieldId::upgrade) CHECK(hop.drop.test(i));
    }
}

/// What the reference is asked about: up to the first empty line behind the request line.
inline bool complete_request(std::string_view text, std::string_view& head) {
    size_t begin = 0;
    while (begin < 8 && text.substr(begin).starts_with("\r\n")) begin += 2;
    size_t end = text.find("\r\n\r\n", begin);
    if (end == std::string_view::npos) return false;
    head = text.substr(0, end + 4);
    return true;
}

inline void check_request(std::string_view text) {
    static RequestHead head;
    uint64_t choice = hash(text);
    ParseOutcome outcome;
    parse_every_way(
        text, choice, [](const ScanPath& path) { return RequestParser({}, path); }, outcome, head);
    if (outcome.complete()) {
        CHECK(outcome.head_size <= text.size());
        check_fields(head.fields);
        check_framing(head);
        check_written_request(head);
    }
    std::string_view whole;
    if (!ask_reference(choice) || !complete_request(text, whole)) return;
    std::optional<reference::Head> expected = reference::request(std::string(whole));
    CHECK(expected.has_value() == outcome.complete());
    if (!expected) return;
    CHECK(outcome.head_size == whole.size());
    CHECK(head.method_text == expected->method && head.target == expected->target);
    CHECK(head.host == expected->host);
    CHECK((head.version == Version::http_1_0) == (expected->minor == 0));
    CHECK(same_fields(head.fields, *expected));
}

}  // namespace fuzz
