// Runs a fuzz target over its corpus without a fuzzer: replay FILE-OR-FOLDER... Each input is also
// tried in a few mutated forms from a fixed seed, so that the invariants are exercised around the
// corpus in every ordinary test run.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "check.h"

namespace {

constexpr int kMutationsPerInput = 32;

class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed | 1) {}
    size_t below(size_t bound) {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return static_cast<size_t>((state_ >> 11) % bound);
    }

  private:
    uint64_t state_;
};

void run(const std::string& text) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

void mutate(std::string& text, Random& random) {
    using namespace std::string_literals;
    static const std::string kBytes = "\r\n\0\t :;,%./\\?#_-0aF\x7f\xff\"="s;
    size_t at = text.empty() ? 0 : random.below(text.size());
    switch (random.below(5)) {
        case 0:
            text.insert(at, 1, kBytes[random.below(kBytes.size())]);
            break;
        case 1:
            if (!text.empty()) text.erase(at, 1 + random.below(4));
            break;
        case 2:
            if (!text.empty()) text[at] = kBytes[random.below(kBytes.size())];
            break;
        case 3:
            if (!text.empty()) text[at] = static_cast<char>(random.below(256));
            break;
        default:
            text.insert(at, text.substr(at, 1 + random.below(16)));
            break;
    }
}

}  // namespace

int main(int count, char** arguments) {
    std::vector<std::filesystem::path> files;
    for (int i = 1; i < count; ++i) {
        if (std::filesystem::is_directory(arguments[i])) {
            for (const auto& entry : std::filesystem::directory_iterator(arguments[i])) {
                files.push_back(entry.path());
            }
        } else {
            files.emplace_back(arguments[i]);
        }
    }
    std::sort(files.begin(), files.end());
    for (const std::filesystem::path& file : files) {
        std::ifstream stream(file, std::ios::binary);
        std::string text((std::istreambuf_iterator<char>(stream)), {});
        run(text);
        Random random(fuzz::hash(text));
        for (int i = 0; i < kMutationsPerInput; ++i) {
            std::string other = text;
            for (size_t n = 1 + random.below(4); n > 0; --n) mutate(other, random);
            run(other);
        }
    }
    std::printf("%zu inputs, %d mutations of each\n", files.size(), kMutationsPerInput);
    // An empty corpus would pass without having tested anything.
    return files.empty() ? 1 : 0;
}
