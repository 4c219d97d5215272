#include "http/field_section.h"

#include "http/field_line.h"
#include "http/find.h"
#include "http/interning.h"
#include "http/syntax.h"
#include "http/whole_lines.h"
#include "http/words.h"

namespace ringtime::http {
namespace {

constexpr FieldSet set_of(std::initializer_list<FieldId> ids) {
    FieldSet set = 0;
    for (FieldId id : ids) set |= field_bit(id);
    return set;
}

constexpr FieldSet kProtected = set_of({FieldId::host,
                                        FieldId::connection,
                                        FieldId::content_length,
                                        FieldId::transfer_encoding,
                                        FieldId::expect,
                                        FieldId::upgrade,
                                        FieldId::te,
                                        FieldId::trailer,
                                        FieldId::keep_alive,
                                        FieldId::proxy_connection,
                                        FieldId::http2_settings,
                                        FieldId::forwarded,
                                        FieldId::via,
                                        FieldId::x_base,
                                        FieldId::x_forwarded_for,
                                        FieldId::x_forwarded_host,
                                        FieldId::x_forwarded_prefix,
                                        FieldId::x_forwarded_proto,
                                        FieldId::x_identity,
                                        FieldId::x_not_found,
                                        FieldId::x_real_ip,
                                        FieldId::x_request_id,
                                        FieldId::x_vhost_tenant});

bool has_underscore(std::string_view name) noexcept {
    if (name.size() < 8) return name.find('_') != std::string_view::npos;
    for (size_t at = 0; at + 8 < name.size(); at += 8) {
        if (words::equal(words::load(name.data() + at), '_') != 0) return true;
    }
    return words::equal(words::load(name.data() + name.size() - 8), '_') != 0;
}

}  // namespace

bool is_alias_of_protected_field(std::string_view name) noexcept {
    if (!has_underscore(name)) [[likely]]
        return false;
    // Longer than every known name and prefix: only the prefix can matter.
    char spelled[32];
    size_t size = 0;
    for (; size < name.size() && size < sizeof spelled; ++size) {
        spelled[size] = name[size] == '_' ? '-' : to_lower(name[size]);
    }
    std::string_view text(spelled, size);
    if (text.starts_with("x-forwarded-") || text.starts_with("x-ringtime-")) return true;
    if (size < name.size()) return false;
    FieldId id = intern(text);
    return id != FieldId::other && (kProtected & field_bit(id)) != 0;
}

namespace detail {

Refusal FieldSection::name_fault(char byte, size_t name_size, unsigned fields_before) noexcept {
    bool blank = byte == ' ' || byte == '\t';
    if (name_size == 0) {
        if (blank) return fields_before == 0 ? Refusal::leading_whitespace : Refusal::obs_fold;
        if (byte == ':') return Refusal::field_name_empty;
    }
    if (blank) return Refusal::field_space_before_colon;
    if (byte == '\r') return Refusal::field_colon_missing;
    if (byte == '\n') return Refusal::bare_lf;
    return Refusal::field_name_byte;
}

// Two readers of the same rules. The fast one takes whole well-formed lines only and leaves
// everything else, unfinished lines and all refusals, to the careful one, which alone knows how to
// wait.
Step FieldSection::advance(const ScanPath& scan, const char* data, size_t size,
                           FieldTable& table) noexcept {
    LineRules rules{fields_max, aliases == Aliases::refuse};
    for (;;) {
        bool fresh = scan_ == line_ && colon_ == 0;
        if (fresh) {
            WholeLines taken = take_whole_lines(scan, rules, {data, size}, line_, table);
            line_ = scan_ = static_cast<uint32_t>(taken.end);
            if (taken.all) {
                end = line_ + 2;
                return Step::next;
            }
        }
        uint32_t line = line_;
        Step step = take_line(data, size, table);
        if (step != Step::next || line_ == line) return step;
    }
}

// One line, as far as it has arrived. At the empty line, which ends the section, `line_` stays.
Step FieldSection::take_line(const char* data, size_t size, FieldTable& table) noexcept {
    WordFinder find(data, size);
    size_t line = line_;
    size_t colon = colon_;
    if (colon == 0) {
        if (line >= size) return Step::more;
        if (data[line] == '\r') {
            if (line + 1 >= size) return Step::more;
            if (data[line + 1] != '\n') return refused(Refusal::bare_cr);
            end = static_cast<uint32_t>(line + 2);
            return Step::next;
        }
        if (table.size() >= fields_max) return refused(Refusal::fields_too_many);
        colon = find.not_token(scan_);
        if (colon >= size) return pause(0, size);
        if (data[colon] != ':' || colon == line) {
            return refused(name_fault(data[colon], colon - line, table.size()));
        }
        scan_ = static_cast<uint32_t>(colon + 1);
    }
    size_t line_end = find.not_value(scan_);
    if (line_end >= size) return pause(colon, size);
    if (data[line_end] != '\r') {
        return refused(data[line_end] == '\n' ? Refusal::bare_lf : Refusal::field_value_byte);
    }
    if (line_end + 1 >= size) return pause(colon, line_end);
    if (data[line_end + 1] != '\n') return refused(Refusal::bare_cr);
    FieldId id = interning::find(data + line, colon - line);
    if (id == FieldId::other && is_refused_alias({data + line, colon - line})) {
        return refused(Refusal::field_name_alias);
    }
    table.add(field_at(data, line, colon, line_end, id));
    start(static_cast<uint32_t>(line_end + 2));
    return Step::next;
}

}  // namespace detail
}  // namespace ringtime::http
