// The corpus of the fuzz target, so that what it once found stays found; and each file cut off
// behind every line and in the middle of some.

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace ringtime::route {
namespace {

TEST(RouteFuzz, replays_its_corpus) {
    size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(RINGTIME_ROUTE_CORPUS)) {
        SCOPED_TRACE(entry.path().filename().string());
        std::ifstream file(entry.path(), std::ios::binary);
        std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
        for (size_t size = 0; size <= text.size(); ++size) {
            bool chosen = size == text.size() || text[size] == '\n' || size % 37 == 0;
            if (!chosen) continue;
            EXPECT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(text.data()), size),
                      0);
        }
        ++files;
    }
    EXPECT_GE(files, 4u);
}

}  // namespace
}  // namespace ringtime::route
