// Parsing a request head: full validation, interned field names, framing decided. Beside it a plain
// scalar parser of the same strictness, byte by byte over one class table, timed in the same run:
// its ratio is what can be compared between machines.
//
// Every parser's result is checked against the others before anything is timed.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cycles.h"
#include "http/body_decoder.h"
#include "http/framing.h"
#include "http/head_parser.h"
#include "http/head_writer.h"
#include "http/hop_by_hop.h"
#include "http/syntax.h"
#include "http/target.h"

namespace ringtime::http {
namespace {

/// 667 bytes, 11 fields: what a desktop browser sends for an image.
constexpr std::string_view kBrowser =
    "GET /content/images/2024/03/a-walk-along-the-river.jpeg HTTP/1.1\r\n"
    "Host: www.example-gallery.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:123.0) Gecko/20100101 Firefox/123.0\r\n"
    "Accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5\r\n"
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Connection: keep-alive\r\n"
    "Referer: http://www.example-gallery.com/albums/river/index.html\r\n"
    "Cookie: session=9f86d081884c7d659a2feaa0c55ad015a3bf4f; "
    "theme=dark; consent=analytics-0.marketing-0.functional-1; _first=1709287352\r\n"
    "If-Modified-Since: Fri, 01 Mar 2024 10:02:32 GMT\r\n"
    "If-None-Match: \"65e1a6d8-1c8f2\"\r\n"
    "Cache-Control: max-age=0\r\n\r\n";
static_assert(kBrowser.size() == 667);

constexpr std::string_view kShort = "GET / HTTP/1.1\r\nHost: localhos\r\n\r\n";
static_assert(kShort.size() == 34);

/// The simplest parser one would write with care: one pass, one byte at a time.
class ScalarParser {
  public:
    /// 0 on any fault.
    size_t parse(const char* data, size_t size, RequestHead& out) noexcept {
        data_ = data;
        size_ = size;
        at_ = 0;
        out.fields.clear();
        out.fields.base = data;
        if (!request_line(out)) return 0;
        while (at_ < size_ && data_[at_] != '\r') {
            if (!field(out.fields)) return 0;
        }
        if (!line_end()) return 0;
        const Field* host = out.fields.find(FieldId::host);
        Authority authority;
        if (!host || host->next_same != 0) return 0;
        if (!parse_authority(out.fields.value(*host), authority)) return 0;
        out.host = authority.host;
        out.authority = out.fields.value(*host);
        return at_;
    }

  private:
    size_t run(uint8_t classes) noexcept {
        size_t begin = at_;
        while (at_ < size_ && is_class(data_[at_], classes)) ++at_;
        return begin;
    }
    bool take(char c) noexcept { return at_ < size_ && data_[at_++] == c; }
    bool line_end() noexcept { return take('\r') && take('\n'); }
    std::string_view from(size_t begin) noexcept { return {data_ + begin, at_ - begin}; }

    bool request_line(RequestHead& out) noexcept {
        size_t begin = run(kTokenChar);
        out.method_text = from(begin);
        out.method = intern_method(out.method_text);
        if (out.method_text.empty() || !take(' ')) return false;
        begin = run(kTargetChar);
        out.target = from(begin);
        if (out.target.empty() || out.target[0] != '/' || !take(' ')) return false;
        size_t query = out.target.find('?');
        out.path = out.target.substr(0, query);
        out.query =
            query == std::string_view::npos ? std::string_view{} : out.target.substr(query + 1);
        for (char c : std::string_view("HTTP/1.")) {
            if (!take(c)) return false;
        }
        begin = at_;
        if (at_ >= size_ || !is_class(data_[at_++], kDigitChar)) return false;
        out.version = data_[begin] == '0' ? Version::http_1_0 : Version::http_1_1;
        return line_end();
    }

    bool field(FieldTable& fields) noexcept {
        if (fields.full()) return false;
        Field field;
        size_t begin = run(kTokenChar);
        field.name_offset = static_cast<uint16_t>(begin);
        field.name_size = static_cast<uint16_t>(at_ - begin);
        field.id = intern(from(begin));
        if (field.name_size == 0 || !take(':')) return false;
        while (at_ < size_ && (data_[at_] == ' ' || data_[at_] == '\t')) ++at_;
        begin = run(kValueChar);
        size_t end = at_;
        while (end > begin && (data_[end - 1] == ' ' || data_[end - 1] == '\t')) --end;
        field.value_offset = static_cast<uint16_t>(begin);
        field.value_size = static_cast<uint16_t>(end - begin);
        fields.add(field);
        return line_end();
    }

    const char* data_ = nullptr;
    size_t size_ = 0;
    size_t at_ = 0;
};

void check(bool fact, const char* what) {
    if (fact) return;
    std::fprintf(stderr, "http_bench: wrong result: %s\n", what);
    std::exit(1);
}

void verify(std::string_view text, const ScanPath& path) {
    RequestHead ours;
    RequestHead scalar;
    RequestParser parser({}, path);
    check(parser.parse(text.data(), text.size(), ours).head_size == text.size(), "size");
    check(ScalarParser().parse(text.data(), text.size(), scalar) == text.size(), "reference");
    check(ours.path == scalar.path && ours.host == scalar.host, "start line");
    check(ours.fields.size() == scalar.fields.size(), "count");
    for (unsigned i = 0; i < ours.fields.size(); ++i) {
        const Field& a = ours.fields[i];
        const Field& b = scalar.fields[i];
        check(a.id == b.id && ours.fields.name(a) == scalar.fields.name(b) &&
                  ours.fields.value(a) == scalar.fields.value(b),
              "field");
    }
}

void bench_parse(benchmark::State& state, std::string_view text, const ScanPath* path) {
    if (!path) return state.SkipWithError("this machine has no AVX2");
    verify(text, *path);
    std::string bytes(text);
    RequestParser parser({}, *path);
    RequestHead head;
    bench::in_cycles(state, [&] {
        const char* data = bytes.data();
        benchmark::DoNotOptimize(data);
        ParseOutcome outcome = parser.parse(data, bytes.size(), head);
        auto framing = decide_framing(head);
        benchmark::DoNotOptimize(outcome);
        benchmark::DoNotOptimize(framing);
        benchmark::ClobberMemory();
    });
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes.size()));
}

void bench_scalar(benchmark::State& state, std::string_view text) {
    std::string bytes(text);
    RequestHead head;
    ScalarParser parser;
    bench::in_cycles(state, [&] {
        const char* data = bytes.data();
        benchmark::DoNotOptimize(data);
        size_t size = parser.parse(data, bytes.size(), head);
        auto framing = decide_framing(head);
        benchmark::DoNotOptimize(size);
        benchmark::DoNotOptimize(framing);
        benchmark::ClobberMemory();
    });
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes.size()));
}

BENCHMARK_CAPTURE(bench_parse, browser_avx2, kBrowser, avx2_scan());
BENCHMARK_CAPTURE(bench_parse, browser_portable, kBrowser, &portable_scan());
BENCHMARK_CAPTURE(bench_scalar, browser_reference, kBrowser);
BENCHMARK_CAPTURE(bench_parse, short_avx2, kShort, avx2_scan());
BENCHMARK_CAPTURE(bench_parse, short_portable, kShort, &portable_scan());
BENCHMARK_CAPTURE(bench_scalar, short_reference, kShort);

}  // namespace
}  // namespace ringtime::http

BENCHMARK_MAIN();
