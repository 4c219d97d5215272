#include "config/diagnostic.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/json.h"

namespace ringtime::config {
namespace {

/// Keys of a file appear in messages; a line end in one must not begin a line of the log.
void append_printable(std::string& out, std::string_view text) {
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F) {
            out += fmt::format("\\x{:02x}", byte);
        } else {
            out += c;
        }
    }
}

}  // namespace

std::string render(const Diagnostic& diagnostic) {
    std::string out;
    append_printable(out, diagnostic.file);
    if (diagnostic.line != 0) {
        out += fmt::format(":{}:{}", diagnostic.line, diagnostic.column);
    }
    if (!out.empty()) out += ": ";
    out += diagnostic.severity == Severity::error ? "error: " : "warning: ";
    append_printable(out, diagnostic.text);
    if (!diagnostic.remedy.empty()) {
        out += "; ";
        append_printable(out, diagnostic.remedy);
    }
    return out;
}

void Diagnostics::error(std::string_view file, Position at, std::string text, std::string remedy) {
    ++errors_;
    add({Severity::error, std::string(file), at.line, at.column, std::move(text),
         std::move(remedy)});
}

void Diagnostics::warning(std::string_view file, Position at, std::string text,
                          std::string remedy) {
    ++warnings_;
    add({Severity::warning, std::string(file), at.line, at.column, std::move(text),
         std::move(remedy)});
}

void Diagnostics::add(Diagnostic diagnostic) {
    if (list_.size() < kept_max) {
        list_.push_back(std::move(diagnostic));
        return;
    }
    // Warnings must not crowd out the reason why the start was refused.
    if (diagnostic.severity == Severity::error && errors_ == 1)
        list_.back() = std::move(diagnostic);
}

std::string Diagnostics::render() const {
    // Each rule went through all files; who repairs one wants its lines together.
    std::vector<const Diagnostic*> sorted;
    sorted.reserve(list_.size());
    for (const Diagnostic& diagnostic : list_) sorted.push_back(&diagnostic);
    std::stable_sort(sorted.begin(), sorted.end(), [](const Diagnostic* a, const Diagnostic* b) {
        return std::tie(a->file, a->line, a->column) < std::tie(b->file, b->line, b->column);
    });
    std::string out;
    for (const Diagnostic* diagnostic : sorted) {
        out += config::render(*diagnostic);
        out += '\n';
    }
    size_t all = errors_ + warnings_;
    if (all > list_.size()) {
        out += fmt::format("... and {} more ({} errors, {} warnings in all)\n", all - list_.size(),
                           errors_, warnings_);
    }
    return out;
}

std::string quote(std::string_view text) {
    constexpr size_t shown_max = 80;
    std::string out;
    if (text.size() <= shown_max) {
        append_json_string(out, text);
        return out;
    }
    // A cut inside a character would show as a replacement mark.
    size_t length = shown_max;
    while (length > shown_max - 4 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
        --length;
    append_json_string(out, text.substr(0, length));
    out.insert(out.size() - 1, "...");
    return out;
}

}  // namespace ringtime::config
