#include "site/inject.h"

#include "http/fields.h"

namespace ringtime::site {
namespace {

void append_attribute(std::string& out, std::string_view text) {
    for (char c : text) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '"': out += "&quot;"; break;
            case '<': out += "&lt;"; break;
            default: out += c;
        }
    }
}

/// JSON as a script may hold it: no `</script>` and no `<!--` can arise, and the two line
/// separators that old readers of JavaScript take for ends of lines are escaped. Both occur in
/// strings only.
void append_script_json(std::string& out, std::string_view json) {
    for (size_t i = 0; i < json.size(); ++i) {
        std::string_view rest = json.substr(i);
        if (json[i] == '<') {
            out += "\\u003c";
        } else if (rest.starts_with("\xe2\x80\xa8") || rest.starts_with("\xe2\x80\xa9")) {
            out += json[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
            i += 2;
        } else {
            out += json[i];
        }
    }
}

bool is_space(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/// Behind the `>` of a tag; a quoted value may hold one. Quotes elsewhere (`<html lang=it's>`) are
/// letters to a browser. npos when the tag does not end.
size_t end_of_tag(std::string_view html, size_t at) noexcept {
    bool value_begins = false;
    for (; at < html.size(); ++at) {
        char c = html[at];
        if (c == '>') return at + 1;
        if (value_begins && (c == '"' || c == '\'')) {
            at = html.find(c, at + 1);
            if (at == std::string_view::npos) return at;
        }
        value_begins = c == '=' || (value_begins && is_space(c));
    }
    return std::string_view::npos;
}

/// Behind a comment that begins at `at`, as browsers end it: `<!-->` and `--!>` do too.
size_t end_of_comment(std::string_view html, size_t at) noexcept {
    for (at = html.find("--", at + 2); at != std::string_view::npos; at = html.find("--", at + 1)) {
        std::string_view behind = html.substr(at + 2);
        if (behind.starts_with('>')) return at + 3;
        // `<!--!>` has but one pair of dashes, which opens.
        if (behind.starts_with("!>") && html[at - 1] != '!') return at + 4;
    }
    return std::string_view::npos;
}

bool tag_at(std::string_view html, size_t at, std::string_view name) noexcept {
    std::string_view found = html.substr(at);
    if (found.size() <= name.size()) return false;
    if (!http::equal_ignoring_case(found.substr(0, name.size()), name)) return false;
    char behind = found[name.size()];
    return behind == '>' || behind == '/' || is_space(behind);
}

}  // namespace

std::string injection_of(std::string_view base, std::string_view env_json) {
    std::string out;
    if (base.data()) {
        out += "<base href=\"";
        append_attribute(out, base);
        out += base.ends_with('/') ? "\">" : "/\">";
    }
    if (!env_json.empty()) {
        out += "<script>window.__env__=";
        append_script_json(out, env_json);
        out += ";</script>";
    }
    return out;
}

size_t injection_point(std::string_view html) noexcept {
    constexpr size_t none = std::string_view::npos;
    constexpr std::string_view mark = "\xef\xbb\xbf";
    size_t behind = html.starts_with(mark) ? mark.size() : 0;
    for (size_t at = html.find('<'); at != none; at = html.find('<', at)) {
        if (html.substr(at).starts_with("<!--")) {
            at = end_of_comment(html, at);
            if (at == none) return behind;
            continue;
        }
        // What begins like this and is no doctype is a comment to a browser: `<?xml ... ?>`.
        if (html.substr(at).starts_with("<?")) {
            at = html.find('>', at);
            if (at == none) return behind;
            ++at;
            continue;
        }
        bool head = tag_at(html, at, "<head");
        bool frame = tag_at(html, at, "<html") || tag_at(html, at, "<!doctype");
        // The head has begun without its tag, or is over.
        if (!head && !frame) return behind;
        size_t end = end_of_tag(html, at);
        if (end == none) return behind;
        behind = at = end;
        if (head) return behind;
    }
    return behind;
}

}  // namespace ringtime::site
