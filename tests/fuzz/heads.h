#pragma once
// Invariants of both head parsers.

#include "check.h"
#include "http/head_parser.h"
#include "http/head_writer.h"
#include "http/hop_by_hop.h"
#include "http/syntax.h"
#include "reference_parser.h"

namespace fuzz {

using namespace ringtime;
using namespace ringtime::http;

inline bool same_fields(const FieldTable& a, const FieldTable& b) {
    if (a.size() != b.size() || a.present() != b.present()) return false;
    for (unsigned i = 0; i < a.size(); ++i) {
        if (a[i].id != b[i].id || a[i].next_same != b[i].next_same) return false;
        if (a.name(a[i]) != b.name(b[i]) || a.value(a[i]) != b.value(b[i])) return false;
    }
    return true;
}
inline bool same_head(const RequestHead& a, const RequestHead& b) {
    return a.method == b.method && a.version == b.version && a.form == b.form &&
           a.method_text == b.method_text && a.target == b.target && a.path == b.path &&
           a.query == b.query && (a.query.data() == nullptr) == (b.query.data() == nullptr) &&
           a.host == b.host && a.authority == b.authority && same_fields(a.fields, b.fields);
}
inline bool same_head(const ResponseHead& a, const ResponseHead& b) {
    return a.status == b.status && a.version == b.version && a.reason_phrase == b.reason_phrase &&
           same_fields(a.fields, b.fields);
}
inline bool same_outcome(const ParseOutcome& a, const ParseOutcome& b) {
    return a.state == b.state && a.head_size == b.head_size && a.error == b.error;
}

inline void check_fields(const FieldTable& fields) {
    for (unsigned i = 0; i < fields.size(); ++i) {
        CHECK(is_token(fields.name(fields[i])));
        CHECK(is_field_value(fields.value(fields[i])));
        CHECK(trim(fields.value(fields[i])) == fields.value(fields[i]));
        CHECK(fields[i].id == intern(fields.name(fields[i])));
    }
}
inline bool same_fields(const FieldTable& ours, const reference::Head& theirs) {
    if (ours.size() != theirs.fields.size()) return false;
    for (unsigned i = 0; i < ours.size(); ++i) {
        if (ours.name(ours[i]) != theirs.fields[i].first) return false;
        if (ours.value(ours[i]) != theirs.fields[i].second) return false;
    }
    return true;
}
inline void write_fields(HeadWriter& writer, const FieldTable& fields) {
    for (unsigned i = 0; i < fields.size(); ++i) writer.received_field(fields, fields[i]);
    writer.end();
    CHECK(writer.ok());
}

/// The text in one piece on the portable path, then on the other one, then in two pieces and, when
/// it is short, byte by byte. All outcomes are equal; the first is left in `outcome` and `head`.
template <typename Head, typename Make>
void parse_every_way(std::string_view text, uint64_t choice, Make make, ParseOutcome& outcome,
                     Head& head) {
    auto parser = make(portable_scan());
    outcome = parser.parse(text.data(), text.size(), head);
    const ScanPath* paths[] = {&portable_scan(), avx2_scan()};
    static Head other;
    for (const ScanPath* path : paths) {
        if (!path) continue;
        auto again = make(*path);
        ParseOutcome whole = again.parse(text.data(), text.size(), other);
        CHECK(same_outcome(whole, outcome));
        CHECK(!outcome.complete() || same_head(head, other));
        if (text.empty()) continue;

        auto split = make(*path);
        Exact first(text.substr(0, choice % text.size()));
        ParseOutcome step = split.parse(first.data(), first.size(), other);
        if (step.state == ParseOutcome::State::need_more) {
            step = split.parse(text.data(), text.size(), other);
        }
        CHECK(same_outcome(step, outcome));
        CHECK(!outcome.complete() || same_head(head, other));
        if (text.size() > 256 || choice >> 20 & 3) continue;

        auto bytes = make(*path);
        for (size_t size = 1; size <= text.size(); ++size) {
            step = bytes.parse(text.data(), size, other);
            if (step.state != ParseOutcome::State::need_more) break;
        }
        CHECK(same_outcome(step, outcome));
        CHECK(!outcome.complete() || same_head(head, other));
    }
}

}  // namespace fuzz
