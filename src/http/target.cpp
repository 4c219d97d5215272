#include "http/target.h"

#include <cstring>

#include "base/assert.h"
#include "http/syntax.h"

namespace ringtime::http {
namespace {

constexpr char kHexDigits[] = "0123456789ABCDEF";

/// A byte that the grammar does not have in a path but clients send: escaped. Backslash is refused
/// instead, because some readers take it for a slash.
bool must_escape(char c) noexcept { return !is_class(c, kPathRawChar) && c != '%'; }

/// Text that grows in the caller's storage, which was measured for the worst case.
class Output {
  public:
    explicit Output(char* data) noexcept : data_(data) {}
    void push(char c) noexcept { data_[size_++] = c; }
    void push_escaped(char c) noexcept {
        auto byte = static_cast<uint8_t>(c);
        push('%');
        push(kHexDigits[byte >> 4]);
        push(kHexDigits[byte & 15]);
    }
    void truncate(size_t size) noexcept { size_ = size; }
    /// Removes the last segment; the slash before it stays off, too.
    void pop_segment() noexcept { size_ = text().rfind('/'); }
    [[nodiscard]] size_t size() const noexcept { return size_; }
    [[nodiscard]] std::string_view text() const noexcept { return {data_, size_}; }

  private:
    char* data_;
    size_t size_ = 0;
};

/// One segment, without its slash, into both forms.
Refusal write_segment(std::string_view segment, Output& canonical, Output& forwarded) noexcept {
    for (size_t i = 0; i < segment.size(); ++i) {
        char c = segment[i];
        if (is_class(c, kPathRawChar)) [[likely]] {
            canonical.push(c);
            forwarded.push(c);
        } else if (c == '%') {
            if (segment.size() - i < 3) return Refusal::path_escape_malformed;
            unsigned high = hex_value(segment[i + 1]);
            unsigned low = hex_value(segment[i + 2]);
            if (high > 15 || low > 15) return Refusal::path_escape_malformed;
            char decoded = static_cast<char>(high << 4 | low);
            if (decoded == 0) return Refusal::path_nul;
            bool plain = is_class(decoded, kUnreservedChar);
            if (plain) canonical.push(decoded);
            for (size_t j = i; j < i + 3; ++j) {
                if (!plain) canonical.push(segment[j]);
                forwarded.push(segment[j]);
            }
            i += 2;
        } else if (c == '\\') {
            return Refusal::path_backslash;
        } else if (!is_class(c, kTargetChar) || c == '?') {
            return Refusal::path_byte;
        } else {
            canonical.push_escaped(c);
            forwarded.push_escaped(c);
        }
    }
    return Refusal::none;
}

/// remove_dot_segments of RFC 3986 §5.2.4, on both forms at once: whether a segment is one of dots
/// is seen in the canonical form, where `%2e` is a dot. Leaving the root is an error, not the root.
Refusal resolve(std::string_view path, Output& canonical, Output& forwarded,
                bool& had_dots) noexcept {
    for (size_t at = 0; at < path.size();) {
        size_t end = path.find('/', at + 1);
        bool last = end == std::string_view::npos;
        if (last) end = path.size();
        size_t canonical_mark = canonical.size();
        size_t forwarded_mark = forwarded.size();
        canonical.push('/');
        forwarded.push('/');
        Refusal refusal = write_segment(path.substr(at + 1, end - at - 1), canonical, forwarded);
        if (refusal != Refusal::none) return refusal;
        at = end;

        std::string_view written = canonical.text().substr(canonical_mark + 1);
        if (written != "." && written != "..") continue;
        bool up = written.size() == 2;
        had_dots = true;
        canonical.truncate(canonical_mark);
        forwarded.truncate(forwarded_mark);
        if (up) {
            if (canonical_mark == 0) return Refusal::path_above_root;
            canonical.pop_segment();
            forwarded.pop_segment();
        }
        if (last) {
            canonical.push('/');
            forwarded.push('/');
        }
    }
    return Refusal::none;
}

/// The start of one segment as a sloppy reader sees it: enough to recognise dots, plain or escaped.
class DotWatch {
  public:
    void begin() noexcept {
        size_ = 0;
        overflow_ = false;
        parameters_ = false;
    }
    void see(char c) noexcept {
        if (parameters_) return;
        if (c == ';') {
            parameters_ = true;
        } else if (size_ < sizeof text_) {
            text_[size_++] = c;
        } else {
            overflow_ = true;
        }
    }
    [[nodiscard]] bool is_dots() const noexcept {
        if (overflow_) return false;
        unsigned dots = 0;
        for (size_t i = 0; i < size_; ++dots) {
            if (text_[i] == '.') {
                i += 1;
            } else if (size_ - i >= 3 && text_[i] == '%' && text_[i + 1] == '2' &&
                       (text_[i + 2] | 0x20) == 'e') {
                i += 3;
            } else {
                return false;
            }
        }
        return dots == 1 || dots == 2;
    }

  private:
    char text_[6];  ///< `%2e%2e`
    size_t size_ = 0;
    bool overflow_ = false;
    bool parameters_ = false;
};

/// Whether decoding once more, taking `\` for `/` or dropping `;parameters`, or all of these,
/// reveals a dot segment. More separators only make more segments, so the sloppiest reader sees
/// them all.
bool reveals_dots(std::string_view canonical) noexcept {
    DotWatch watch;
    for (size_t i = 0; i < canonical.size(); ++i) {
        char c = canonical[i];
        if (c == '%') {
            c = static_cast<char>(hex_value(canonical[i + 1]) << 4 | hex_value(canonical[i + 2]));
            i += 2;
        }
        if (c != '/' && c != '\\') {
            watch.see(c);
            continue;
        }
        if (watch.is_dots()) return true;
        watch.begin();
    }
    return watch.is_dots();
}

size_t written_size_max(std::string_view path) noexcept {
    size_t size = path.size();
    for (char c : path) size += must_escape(c) ? 2 : 0;
    // A dot segment at the end leaves a slash that the text may not have had room for.
    return size + 1;
}

}  // namespace

size_t canonical_storage(std::string_view path, const ScanPath& scan) noexcept {
    if (scan.path_is_plain(path.data(), path.size())) return 0;
    return 2 * written_size_max(path);
}

Result<CanonicalPath> canonicalise(std::string_view path, char* storage, size_t storage_size,
                                   const ScanPath& scan) noexcept {
    if (path.empty() || path.front() != '/') return refuse(Refusal::path_form);
    if (scan.path_is_plain(path.data(), path.size())) [[likely]] {
        return CanonicalPath{path, path};
    }
    size_t half = written_size_max(path);
    if (storage_size < 2 * half) return refuse(Refusal::path_too_long);
    Output canonical(storage);
    Output forwarded(storage + half);
    bool had_dots = false;
    Refusal refusal = resolve(path, canonical, forwarded, had_dots);
    if (refusal != Refusal::none) return refuse(refusal);
    if (reveals_dots(canonical.text())) return refuse(Refusal::path_hidden_dots);
    CanonicalPath result{canonical.text(), forwarded.text()};
    if (result.canonical == path) result.canonical = path;
    if (result.forwarded == path) result.forwarded = path;
    return result;
}

namespace {

std::string_view never_empty(std::string_view rest) noexcept { return rest.empty() ? "/" : rest; }

}  // namespace

std::string_view strip_base(std::string_view canonical, size_t base_size) noexcept {
    if (base_size <= 1) return canonical;
    ASSERT(base_size <= canonical.size());
    return never_empty(canonical.substr(base_size));
}

std::string_view strip_base_forwarded(std::string_view forwarded, size_t base_size) noexcept {
    if (base_size <= 1) return forwarded;
    size_t at = 0;
    for (size_t counted = 0; counted < base_size; ++counted) {
        ASSERT(at < forwarded.size());
        bool escape = forwarded[at] == '%' && forwarded.size() - at >= 3;
        if (escape) {
            auto decoded =
                static_cast<char>(hex_value(forwarded[at + 1]) << 4 | hex_value(forwarded[at + 2]));
            // Only these are one byte in the canonical form.
            if (is_class(decoded, kUnreservedChar)) at += 2;
        }
        ++at;
    }
    return never_empty(forwarded.substr(at));
}

Result<HostName> canonical_host(std::string_view authority, char* storage,
                                size_t storage_size) noexcept {
    HostName result;
    if (authority.empty()) return result;
    Authority parts;
    if (!parse_authority(authority, parts)) return refuse(Refusal::host_invalid);
    for (char c : parts.port) {
        result.port = static_cast<uint16_t>(result.port * 10 + (c - '0'));
    }
    result.ip_literal = parts.host.front() == '[';
    std::string_view host = parts.host;
    // The root's dot: the same name, fully qualified.
    if (host.ends_with('.')) host.remove_suffix(1);
    if (host.empty() || host.ends_with('.')) return refuse(Refusal::host_invalid);
    result.name = host;
    size_t upper = 0;
    while (upper < host.size() && to_lower(host[upper]) == host[upper]) ++upper;
    if (upper == host.size()) return result;
    if (storage_size < host.size()) return refuse(Refusal::host_invalid);
    for (size_t i = 0; i < host.size(); ++i) storage[i] = to_lower(host[i]);
    result.name = {storage, host.size()};
    return result;
}

}  // namespace ringtime::http
