#include "http/head_parser.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "http/field_section.h"
#include "http/short_head.h"
#include "http/syntax.h"

namespace ringtime::http {

using detail::Step;

namespace {

std::string_view view(const char* data, size_t begin, size_t end) noexcept {
    return {data + begin, end - begin};
}

uint32_t offset(size_t at) noexcept { return static_cast<uint32_t>(at); }

/// Checks `HTTP/1.x`, as far as it has arrived. Shared by both start lines, which refuse
/// differently. Returns the number of bytes that are right; `size` when all of them are.
size_t match_version(const char* text, size_t size) noexcept {
    static constexpr char kPattern[] = "HTTP/1.";
    size_t at = 0;
    for (; at < size && at < 7; ++at) {
        if (text[at] != kPattern[at]) return at;
    }
    if (at < size && is_class(text[at], kDigitChar)) ++at;
    return at;
}

constexpr size_t kVersionSize = 8;

/// 1.0 is 1.0; every other minor is answered as the highest one known: RFC 9110 §2.5.
Version version_of(char minor) noexcept {
    return minor == '0' ? Version::http_1_0 : Version::http_1_1;
}

}  // namespace

RequestParser::RequestParser(const HeadLimits& limits, const ScanPath& scan) noexcept
    : scan_(&scan), read_short_(detail::short_head_reader(scan)), limits_(limits) {
    ASSERT(limits.head_bytes <= UINT16_MAX);
    ASSERT(limits.fields <= limits::fields_max);
    section_.fields_max = limits.fields;
}

void RequestParser::reset() noexcept {
    phase_ = Phase::start;
    refusal_ = Refusal::none;
    empty_lines_ = 0;
    at_ = 0;
    query_ = 0;
    authority_ = 0;
}

Step RequestParser::refused(Refusal why) noexcept {
    phase_ = Phase::failed;
    refusal_ = why;
    return Step::refused;
}

ParseOutcome RequestParser::parse(const char* data, size_t size, RequestHead& out) noexcept {
    using State = ParseOutcome::State;
    // Bytes behind the limit must not influence the outcome, or it would depend on the reads.
    size_t used = std::min<size_t>(size, limits_.head_bytes);
    bool is_short = used >= detail::short_head_min && used <= detail::short_head_max;
    if (is_short && read_short_ && phase_ == Phase::start && at_ == 0) {
        size_t head_size = read_short_(limits_, data, used, out);
        if (head_size != 0) return {State::complete, offset(head_size), {}};
    }
    Step step = phase_ == Phase::fields ? Step::next : read_request_line(data, used, out);
    if (step == Step::next) step = section_.advance(*scan_, data, used, out.fields);
    if (step == Step::next) step = finish(data, out);
    if (step == Step::next) [[likely]] {
        uint32_t head_size = section_.end;
        reset();
        return {State::complete, head_size, {}};
    }
    if (step == Step::refused && phase_ == Phase::fields) refused(section_.refusal);
    if (step == Step::more && used >= limits_.head_bytes) refused(Refusal::head_too_large);
    if (phase_ == Phase::failed) return {State::failed, 0, refuse(refusal_)};
    return {State::need_more, 0, {}};
}

// Reads a whole request line that breaks no rule, in the common form, at the very beginning; leaves
// everything else, and every refusal, to the steps below.
bool RequestParser::read_usual_line(const char* data, size_t size, RequestHead& out) noexcept {
    constexpr std::string_view kLineEnd = " HTTP/1.1\r\n";
    size_t at = 0;
    while (at < size && is_class(data[at], kTokenChar)) ++at;
    if (at + 1 >= size || data[at] != ' ' || data[at + 1] != '/') return false;
    out.method = intern_method({data, at});
    if (out.method == Method::other || out.method >= Method::connect) return false;
    size_t target = at + 1;
    TargetScan found = scan_->target(data, target, size);
    if (found.end - target > limits_.target_bytes || size - found.end < kLineEnd.size())
        return false;
    if (std::memcmp(data + found.end, kLineEnd.data(), kLineEnd.size()) != 0) return false;
    method_ = 0;
    target_ = path_ = offset(target);
    target_end_ = offset(found.end);
    query_ = found.query < found.end ? offset(found.query) : 0;
    at_ = target_end_ + 1;
    out.form = TargetForm::origin;
    out.fields.clear();
    end_request_line(Version::http_1_1, kLineEnd.size() - 1, out);
    return true;
}

Step RequestParser::read_request_line(const char* data, size_t size, RequestHead& out) noexcept {
    Step step = Step::next;
    switch (phase_) {
        case Phase::start:
            if (at_ == 0 && read_usual_line(data, size, out)) [[likely]]
                return Step::next;
            step = skip_empty_lines(data, size, out);
            if (step != Step::next) return step;
            [[fallthrough]];
        case Phase::method:
            step = read_method(data, size, out);
            if (step != Step::next) return step;
            [[fallthrough]];
        case Phase::target:
            step = read_target(data, size, out);
            if (step != Step::next) return step;
            [[fallthrough]];
        case Phase::version:
            return read_version(data, size, out);
        case Phase::fields:
            return Step::next;
        case Phase::failed:
            return Step::refused;
    }
    return Step::refused;
}

// RFC 9112 §2.2: some clients send an empty line behind a body.
Step RequestParser::skip_empty_lines(const char* data, size_t size, RequestHead& out) noexcept {
    for (; at_ < size; at_ += 2) {
        char c = data[at_];
        if (is_class(c, kTokenChar)) [[likely]] {
            out.fields.clear();
            method_ = at_;
            phase_ = Phase::method;
            return Step::next;
        }
        if (c == '\n') return refused(Refusal::bare_lf);
        if (c != '\r') return refused(Refusal::method_first_byte);
        if (at_ + 1 >= size) return Step::more;
        if (data[at_ + 1] != '\n') return refused(Refusal::bare_cr);
        if (++empty_lines_ > limits::empty_lines_max) return refused(Refusal::empty_lines);
    }
    return Step::more;
}

Step RequestParser::read_method(const char* data, size_t size, RequestHead& out) noexcept {
    size_t end = at_;
    while (end < size && is_class(data[end], kTokenChar)) ++end;
    at_ = offset(end);
    if (end - method_ > limits::method_bytes_max) return refused(Refusal::method_too_long);
    if (end == size) return Step::more;
    if (data[end] != ' ') return refused(Refusal::method_byte);
    std::string_view name = view(data, method_, end);
    out.method = intern_method(name);
    if (out.method == Method::other && name == "PRI") return refused(Refusal::http2_preface);
    if (out.method == Method::connect) return refused(Refusal::method_connect);
    if (out.method == Method::trace) return refused(Refusal::method_trace);
    target_ = at_ = offset(end + 1);
    phase_ = Phase::target;
    return Step::next;
}

Step RequestParser::read_target(const char* data, size_t size, RequestHead& out) noexcept {
    TargetScan found = scan_->target(data, at_, size);
    if (query_ == 0 && found.query < found.end) query_ = offset(found.query);
    at_ = offset(found.end);
    if (at_ - target_ > limits_.target_bytes) return refused(Refusal::target_too_long);
    if (at_ >= size) return Step::more;
    if (at_ == target_) return refused(Refusal::target_empty);
    switch (data[at_]) {
        case ' ':
            break;
        case '#':
            return refused(Refusal::target_fragment);
        case '\r':
        case '\n':
            return refused(Refusal::version_missing);
        default:
            return refused(Refusal::target_byte);
    }
    target_end_ = at_++;
    phase_ = Phase::version;
    return split_target(data, out);
}

// RFC 9112 §3.2: origin-form, absolute-form, or `*` with OPTIONS. authority-form belongs to
// CONNECT, which was refused before.
Step RequestParser::split_target(const char* data, RequestHead& out) noexcept {
    path_ = target_;
    if (data[target_] == '/') [[likely]] {
        out.form = TargetForm::origin;
        return Step::next;
    }
    std::string_view target = view(data, target_, target_end_);
    if (target == "*") {
        out.form = TargetForm::asterisk;
        return out.method == Method::options ? Step::next : refused(Refusal::target_form);
    }
    for (std::string_view scheme : {"http://", "https://"}) {
        if (equal_ignoring_case(target.substr(0, scheme.size()), scheme)) {
            return split_absolute(data, scheme.size(), out);
        }
    }
    return refused(Refusal::target_form);
}

Step RequestParser::split_absolute(const char* data, size_t scheme_size,
                                   RequestHead& out) noexcept {
    out.form = TargetForm::absolute;
    authority_ = offset(target_ + scheme_size);
    uint32_t end = query_ != 0 ? query_ : target_end_;
    std::string_view rest = view(data, authority_, end);
    path_ = offset(authority_ + std::min(rest.find('/'), rest.size()));
    std::string_view text = view(data, authority_, path_);
    if (text.find('@') != std::string_view::npos) return refused(Refusal::target_userinfo);
    Authority authority;
    if (!parse_authority(text, authority)) return refused(Refusal::target_authority);
    // Unlike in Host, a colon without a port has no reason to appear here.
    if (text.ends_with(':')) return refused(Refusal::target_authority);
    return Step::next;
}

Step RequestParser::read_version(const char* data, size_t size, RequestHead& out) noexcept {
    const char* text = data + at_;
    size_t available = std::min<size_t>(size - at_, kVersionSize + 2);
    size_t matched = match_version(text, available);
    if (matched < kVersionSize) {
        if (matched == available) return Step::more;
        bool other_major = matched == 5 && is_class(text[5], kDigitChar);
        return refused(other_major ? Refusal::version_unsupported : Refusal::version_malformed);
    }
    if (available == kVersionSize) return Step::more;
    if (text[8] != '\r') {
        return refused(text[8] == '\n' ? Refusal::bare_lf : Refusal::version_malformed);
    }
    if (available == kVersionSize + 1) return Step::more;
    if (text[9] != '\n') return refused(Refusal::bare_cr);
    end_request_line(version_of(text[7]), kVersionSize + 2, out);
    return Step::next;
}

void RequestParser::end_request_line(Version version, size_t rest, RequestHead& out) noexcept {
    out.version = version;
    at_ = offset(at_ + rest);
    section_.start(at_);
    phase_ = Phase::fields;
}

// All bytes stand; views are made now because the text may have moved until here.
Step RequestParser::finish(const char* data, RequestHead& out) noexcept {
    FieldTable& fields = out.fields;
    fields.base = data;
    uint32_t path_end = query_ != 0 ? query_ : target_end_;
    out.method_text = view(data, method_, target_ - 1);
    out.target = view(data, target_, target_end_);
    out.path = view(data, path_, path_end);
    out.query = query_ != 0 ? view(data, query_ + 1, target_end_) : std::string_view{};
    out.host = {};
    out.authority = {};

    const Field* host = fields.find(FieldId::host);
    if (!host && out.version != Version::http_1_0) return refused(Refusal::host_missing);
    std::string_view named = host ? fields.value(*host) : std::string_view{};
    if (host) {
        if (host->next_same != 0) return refused(Refusal::host_repeated);
        Authority authority;
        if (!parse_authority(named, authority)) return refused(Refusal::host_invalid);
        out.host = authority.host;
        // `h:` means `h` (RFC 3986 §6.2.3) and is passed on as that.
        out.authority = authority.port.empty() ? authority.host : named;
    }
    if (out.form != TargetForm::absolute) return Step::next;

    std::string_view text = view(data, authority_, path_);
    if (host && !equal_ignoring_case(named, text)) return refused(Refusal::target_host_mismatch);
    Authority authority;
    bool valid = parse_authority(text, authority);
    ASSERT(valid);
    out.host = authority.host;
    out.authority = text;
    if (!out.path.empty()) return Step::next;
    // RFC 9112 §3.2.4: OPTIONS for the server as a whole; for other methods the empty path is `/`.
    bool whole_server = out.method == Method::options && query_ == 0;
    if (whole_server) out.form = TargetForm::asterisk;
    out.path = whole_server ? "*" : "/";
    return Step::next;
}

ResponseParser::ResponseParser(Source source, const HeadLimits& limits,
                               const ScanPath& scan) noexcept
    : scan_(&scan), limits_(limits), source_(source) {
    ASSERT(limits.head_bytes <= UINT16_MAX);
    ASSERT(limits.fields <= limits::fields_max);
    section_.fields_max = limits.fields;
    section_.aliases = detail::FieldSection::Aliases::pass;
}

void ResponseParser::reset() noexcept {
    phase_ = Phase::status;
    refusal_ = Refusal::none;
    at_ = 0;
}

Step ResponseParser::refused(Refusal why) noexcept {
    phase_ = Phase::failed;
    refusal_ = why;
    return Step::refused;
}

ParseOutcome ResponseParser::parse(const char* data, size_t size, ResponseHead& out) noexcept {
    using State = ParseOutcome::State;
    size_t used = std::min<size_t>(size, limits_.head_bytes);
    Step step = phase_ == Phase::fields ? Step::next : read_status_line(data, used, out);
    if (step == Step::next) step = section_.advance(*scan_, data, used, out.fields);
    if (step == Step::next) [[likely]] {
        out.fields.base = data;
        out.reason_phrase = view(data, reason_, reason_end_);
        uint32_t head_size = section_.end;
        reset();
        return {State::complete, head_size, {}};
    }
    if (step == Step::refused && phase_ == Phase::fields) refused(section_.refusal);
    if (step == Step::more && used >= limits_.head_bytes) refused(Refusal::head_too_large);
    if (phase_ == Phase::failed) return {State::failed, 0, refuse(refusal_, source_)};
    return {State::need_more, 0, {}};
}

Step ResponseParser::read_status_line(const char* data, size_t size, ResponseHead& out) noexcept {
    Step step = Step::next;
    switch (phase_) {
        case Phase::status:
            step = read_status(data, size, out);
            if (step != Step::next) return step;
            [[fallthrough]];
        case Phase::reason:
            return read_reason(data, size);
        case Phase::fields:
            return Step::next;
        case Phase::failed:
            return Step::refused;
    }
    return Step::refused;
}

Step ResponseParser::read_reason(const char* data, size_t size) noexcept {
    while (at_ < size && is_class(data[at_], kValueChar)) ++at_;
    if (at_ >= size) return Step::more;
    if (data[at_] == '\n') return refused(Refusal::bare_lf);
    if (data[at_] != '\r') return refused(Refusal::reason_phrase_byte);
    if (at_ + 1 >= size) return Step::more;
    if (data[at_ + 1] != '\n') return refused(Refusal::bare_cr);
    reason_end_ = at_;
    section_.start(at_ + 2);
    phase_ = Phase::fields;
    return Step::next;
}

// RFC 9112 §4: `HTTP/1.x SP 3DIGIT`, then SP and a phrase, or the line's end: many senders leave
// the SP out when there is no phrase.
Step ResponseParser::read_status(const char* data, size_t size, ResponseHead& out) noexcept {
    constexpr size_t kStatusEnd = kVersionSize + 4;
    size_t available = std::min<size_t>(size, kStatusEnd + 1);
    size_t matched = match_version(data, available);
    if (matched < kVersionSize) {
        if (matched == available) return Step::more;
        bool other_major = matched == 5 && is_class(data[5], kDigitChar);
        return refused(other_major ? Refusal::status_version : Refusal::status_line_malformed);
    }
    if (available > kVersionSize && data[kVersionSize] != ' ') {
        return refused(Refusal::status_line_malformed);
    }
    unsigned status = 0;
    for (size_t i = kVersionSize + 1; i < std::min(available, kStatusEnd); ++i) {
        if (!is_class(data[i], kDigitChar)) return refused(Refusal::status_line_malformed);
        status = status * 10 + static_cast<unsigned>(data[i] - '0');
    }
    if (available < kStatusEnd) return Step::more;
    if (status < 100 || status > 599) return refused(Refusal::status_out_of_range);
    if (available == kStatusEnd) return Step::more;
    char next = data[kStatusEnd];
    if (next != ' ' && next != '\r') {
        return refused(next == '\n' ? Refusal::bare_lf : Refusal::status_line_malformed);
    }
    out.version = version_of(data[kVersionSize - 1]);
    out.status = static_cast<uint16_t>(status);
    out.fields.clear();
    reason_ = at_ = offset(next == ' ' ? kStatusEnd + 1 : kStatusEnd);
    phase_ = Phase::reason;
    return Step::next;
}

}  // namespace ringtime::http
