// Builds a table and plugin routes from arbitrary bytes and asks them anything: no input may crash
// a builder or a lookup, the two forms of asking (match and explain) must agree, and passing must
// end. Input: lines; the first byte of a line says what it adds, a line `!` starts the questions.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "route/explain.h"
#include "route/pattern_routes.h"
#include "route/table_builder.h"

namespace {

using namespace ringtime::route;

/// Small, so that a few globs meet each of them: otherwise nearly all the time goes into automata
/// that grow to thousands of states before they are given up.
constexpr AutomatonCaps kCaps{.states = 64, .bytes = 8192, .positions = 128};

/// Splits at the first `separator`; the head comes back, `rest` keeps what is behind it.
std::string_view cut(std::string_view& rest, char separator) {
    size_t at = rest.find(separator);
    std::string_view head = rest.substr(0, at);
    rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
    return head;
}

void require(bool fact) {
    if (!fact) std::abort();
}

void add(TableBuilder& table, PatternRoutesBuilder& patterns, std::string_view line, uint32_t id) {
    char what = line[0];
    line.remove_prefix(1);
    std::string_view host = cut(line, ' ');
    std::string_view text = cut(line, ' ');
    if (what == 'm') table.add_mount({host, text, id, 0});
    if (what == 'v') table.add_app_version({host, text, line, id, 0});
    if (what == 'p')
        table.add_public({Origin::plugin, host, none, text, static_cast<uint16_t>(id | 2), id});
    if (what == 'a') table.add_public({Origin::app, "", id / 2, text, 0x3ff, id});
    if (what == 'r') table.reserve(text);
    if (what == 'h') patterns.add(static_cast<uint16_t>(id | 2), text, id);
}

void ask(const RouteTable& table, std::string_view line) {
    std::string_view host = cut(line, ' ');
    if (!line.starts_with('/')) return;
    Match match = table.match(host, line, 2);
    require(match.base_size <= line.size());
    Explanation told = explain(table, host, line, 2);
    size_t candidates = 0;
    uint32_t size = UINT32_MAX;
    for (; match.found(); match = table.pass(match), ++candidates) {
        require(match.base_size <= size);
        require(candidates < told.candidates.size());
        require(told.candidates[candidates].mount == match.mount);
        size = match.base_size;
    }
    require(candidates == told.candidates.size());
}

void ask(const PatternRoutes& routes, std::string_view line) {
    (void)cut(line, ' ');
    PatternMatch match = routes.match(line, 2);
    require((match.status == PatternMatch::Status::found) == (match.handler != none));
    for (unsigned i = 0; i < match.param_count; ++i) {
        std::string_view value = match.params[i].value;
        require(value.empty() || (value.data() >= line.data() &&
                                  value.data() + value.size() <= line.data() + line.size()));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size > 4096) return 0;
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    TableBuilder builder(kCaps);
    PatternRoutesBuilder pattern_builder(kCaps);
    uint32_t id = 0;
    while (!rest.empty()) {
        std::string_view line = cut(rest, '\n');
        if (line == "!") break;
        if (!line.empty()) add(builder, pattern_builder, line, id++);
    }
    BuildResult built = builder.build();
    PatternResult patterns = pattern_builder.build();
    while (!rest.empty()) {
        std::string_view line = cut(rest, '\n');
        if (built.table) ask(*built.table, line);
        if (patterns.routes) ask(*patterns.routes, line);
    }
    return 0;
}
