// The canonicaliser: idempotent, one meaning for every reader, equal to an independent one.

#include <string>

#include "check.h"
#include "http/syntax.h"
#include "http/target.h"
#include "reference_parser.h"

namespace fuzz {
namespace {

using namespace ringtime;
using namespace ringtime::http;

/// Storage of exactly the size that was asked for.
struct Canonical {
    Canonical(std::string_view path, const ScanPath& scan)
        : storage(std::string(canonical_storage(path, scan), 'x')),
          result(canonicalise(path, storage.data(), storage.size(), scan)) {}
    std::string storage;
    Result<CanonicalPath> result;
};

void check_equal(const Result<CanonicalPath>& a, const Result<CanonicalPath>& b) {
    CHECK(a.ok() == b.ok() && a.error() == b.error());
    if (a.ok()) {
        CHECK(a.value().canonical == b.value().canonical);
        CHECK(a.value().forwarded == b.value().forwarded);
    }
}

void check_stripped(const CanonicalPath& path) {
    // Bases end at segment boundaries of unreserved bytes.
    std::string_view text = path.canonical;
    for (size_t size = 1; size <= text.size() && size < 64; ++size) {
        if (text[size - 1] == '%') break;
        if (size > 1 && (size == text.size() || text[size] == '/')) {
            std::string_view rest = strip_base(text, size);
            std::string_view forwarded = strip_base_forwarded(path.forwarded, size);
            // The base and nothing else is taken away.
            CHECK(rest == (size == 1 ? text : size == text.size() ? "/" : text.substr(size)));
            CHECK(forwarded == "/" ||
                  (forwarded.starts_with('/') && path.forwarded.ends_with(forwarded)));
            Canonical again(forwarded, portable_scan());
            CHECK(again.result.ok() && again.result->canonical == rest);
        }
    }
}

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace fuzz;
    Exact input(text_of(data, size));
    std::string_view path = input.text();
    Canonical first(path, portable_scan());
    if (avx2_scan()) {
        Canonical other(path, *avx2_scan());
        check_equal(first.result, other.result);
    }
    if (first.result.ok()) {
        const CanonicalPath& both = first.result.value();
        for (std::string_view form : {both.canonical, both.forwarded}) {
            Canonical again(form, portable_scan());
            CHECK(again.result.ok());
            CHECK(again.result->canonical == both.canonical);
            CHECK(again.result->forwarded == form);
        }
        check_stripped(both);
    }
    if (!ask_reference(hash(path))) return 0;
    auto expected = reference::path(std::string(path));
    CHECK(expected.has_value() == first.result.ok());
    if (expected) {
        CHECK(first.result->canonical == expected->first);
        CHECK(first.result->forwarded == expected->second);
    }
    return 0;
}
