#include "http/whole_lines.h"

#include "http/avx2.h"
#include "http/field_line.h"
#include "http/field_section.h"
#include "http/find.h"
#include "http/interning.h"

namespace ringtime::http::detail {
namespace {

bool is_refused(const LineRules& rules, FieldId id, std::string_view name) noexcept {
    return id == FieldId::other && rules.refuse_aliases && is_alias_of_protected_field(name);
}

// Word by word. A name that is a known one need not be looked at byte by byte.
WholeLines take_by_words(const LineRules& rules, std::string_view text, size_t line,
                         FieldTable& table) noexcept {
    const char* data = text.data();
    WordFinder find(data, text.size());
    FieldTable::Writer fields(table);
    for (;;) {
        if (line + 1 >= text.size()) return {line, false};
        if (data[line] == '\r') return {line, data[line + 1] == '\n'};
        size_t colon = find.colon(line);
        if (colon >= text.size() || fields.size() >= rules.fields_max) return {line, false};
        FieldId id = interning::find(data + line, colon - line);
        std::string_view name = text.substr(line, colon - line);
        if (id == FieldId::other && !is_token(name)) return {line, false};
        size_t end = find.not_value(colon);
        if (end + 1 >= text.size() || !is_line_end(data + end)) return {line, false};
        if (is_refused(rules, id, name)) return {line, false};
        fields.add(field_at(data, line, colon, end, id));
        line = end + 2;
    }
}

#if defined(__x86_64__)

using namespace avx2;

/// interning::find() for a name of any size, before which and 32 bytes from which on all is text.
RINGTIME_AVX2 inline FieldId find_wide(const char* name, size_t size) noexcept {
    using interning::kTables;
    uint8_t id = kTables.ids[interning::slot_of(size, name[0], name[size - 1])];
    const interning::Known& known = kTables.known[id];
    Bytes wanted = load(known.text);
    // Only letters have bit 0x40 in known names: exactly they get their case folded.
    Bytes letters = _mm256_and_si256(wanted, _mm256_set1_epi8(0x40));
    Bytes folded = _mm256_or_si256(load(name), _mm256_srli_epi16(letters, 1));
    uint32_t unlike = ~bits_of(_mm256_cmpeq_epi8(folded, wanted));
    bool same = known.size == size && _bzhi_u32(unlike, static_cast<unsigned>(size)) == 0;
    return same ? static_cast<FieldId>(id) : FieldId::other;
}

// Both searches of a line begin where it does, so that neither waits for the other. The end of a
// value is no tchar either: what is found in front of it and is a colon ends the name.
RINGTIME_AVX2 WholeLines take_by_masks(const ScanPath& scan, const LineRules& rules,
                                       std::string_view text, size_t line,
                                       FieldTable& table) noexcept {
    const char* data = text.data();
    MaskFinder find(scan, data, text.size(), line);
    FieldTable::Writer fields(table);
    for (;;) {
        size_t end = find.control(line);
        if (end + 1 >= find.classified()) {
            if (find.classify_more()) continue;
            return {line, false};
        }
        size_t colon = find.not_token(line);
        if (!is_line_end(data + end)) return {line, false};
        if (data[colon] != ':' || colon == line) return {line, end == line};
        if (fields.size() >= rules.fields_max) return {line, false};
        FieldId id = text.size() - line >= sizeof(Bytes)
                         ? find_wide(data + line, colon - line)
                         : interning::find(data + line, colon - line);
        if (is_refused(rules, id, text.substr(line, colon - line))) return {line, false};
        fields.add(field_at(data, line, colon, end, id));
        line = end + 2;
    }
}

#endif

}  // namespace

WholeLines take_whole_lines(const ScanPath& scan, const LineRules& rules, std::string_view text,
                            size_t line, FieldTable& table) noexcept {
#if defined(__x86_64__)
    if (scan.classify) return take_by_masks(scan, rules, text, line, table);
#endif
    return take_by_words(rules, text, line, table);
}

}  // namespace ringtime::http::detail
