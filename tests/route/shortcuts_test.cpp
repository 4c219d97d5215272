// The directory of bases: what it reads of a path, that it never reads behind the page a path ends
// on, and that what has no place in it is found all the same.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <string>

#include "methods.h"
#include "route/shortcuts.h"
#include "route/table_builder.h"

namespace ringtime::route {
namespace {

/// Readable bytes right in front of some that are not.
class PageEnd {
  public:
    PageEnd() : size_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
        void* pages =
            mmap(nullptr, 2 * size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT_NE(pages, MAP_FAILED);
        bytes_ = static_cast<char*>(pages);
        EXPECT_EQ(mprotect(bytes_ + size_, size_, PROT_NONE), 0);
    }
    PageEnd(const PageEnd&) = delete;
    PageEnd& operator=(const PageEnd&) = delete;
    ~PageEnd() { munmap(bytes_, 2 * size_); }

    [[nodiscard]] std::string_view place(std::string_view text) {
        return {std::copy(text.begin(), text.end(), bytes_ + size_ - text.size()) - text.size(),
                text.size()};
    }

  private:
    size_t size_;
    char* bytes_ = nullptr;
};

[[nodiscard]] std::string random_path(std::mt19937& random, size_t size) {
    std::string path;
    while (path.size() < size)
        path += random() % 4 == 0 ? '/' : static_cast<char>('a' + random() % 3);
    return path;
}

template <size_t width>
void check_beginnings(std::string_view text, std::string_view elsewhere) {
    Beginnings<width> beginnings(text);
    uint64_t boundaries = beginnings.boundaries();
    for (size_t size = 0; size < width; ++size) {
        bool ends = size <= text.size() && at_boundary(text, size);
        ASSERT_EQ(boundaries >> size & 1, ends ? 1U : 0U) << text << " " << size;
        if (size > text.size()) continue;
        ASSERT_EQ(beginnings.hash(size), hash_of(elsewhere.substr(0, size))) << text << " " << size;
        std::string key(elsewhere.substr(0, size));
        key.resize(width, '#');
        ASSERT_TRUE(beginnings.template have<width>(key.data(), size)) << text << " " << size;
        for (size_t i = 0; i < size; ++i) {
            ++key[i];
            ASSERT_FALSE(beginnings.template have<width>(key.data(), size)) << text << " " << i;
            --key[i];
        }
    }
}

TEST(Shortcuts, beginnings_are_those_of_the_text_wherever_it_stands) {
    std::mt19937 random(3);
    PageEnd end;
    for (size_t size = 0; size < 130; ++size) {
        std::string path = random_path(random, size);
        // Followed by a slash that is not its own, and by nothing that can be read.
        std::string followed = path + std::string(64, '/');
        for (std::string_view text :
             {std::string_view(followed).substr(0, size), end.place(path)}) {
            check_beginnings<32>(text, path);
            check_beginnings<shortcut_bytes_max + 1>(text, path);
            if (testing::Test::HasFatalFailure()) return;
        }
    }
}

TEST(Shortcuts, a_walk_reads_no_further_either) {
    RadixStore store;
    const RadixKey keys[] = {{"/a", 1}, {"/a/b", 2}, {"/a/bcd/e", 3}, {"/x", 4}};
    uint32_t root = store.add(keys);
    PageEnd end;
    for (const RadixKey& key : keys) {
        uint32_t value = none;
        walk(store.view(), root, 0, end.place(key.text),
             [&value](const Node& node, size_t) { value = node.value; });
        EXPECT_EQ(value, key.value);
    }
}

TEST(Shortcuts, finds_nearly_all_keys_and_no_others) {
    std::vector<Shortcut> keys;
    for (uint32_t i = 0; i < 5000; ++i) keys.push_back({hash_of("/app-" + std::to_string(i)), i});
    std::vector<Bucket> buckets = build_shortcuts(keys);
    size_t found = 0;
    for (const Shortcut& key : keys) {
        uint32_t value =
            find_shortcut(buckets, key.hash, [&](uint32_t at) { return at == key.value; });
        ASSERT_TRUE(value == key.value || value == none);
        if (value != none) ++found;
        ASSERT_EQ(find_shortcut(buckets, key.hash, [](uint32_t) { return false; }), none);
    }
    EXPECT_GE(found, 4900u);
    EXPECT_LE(buckets.size() * sizeof(Bucket), keys.size() * 16 + sizeof(Bucket));
}

TEST(Shortcuts, leaves_out_what_does_not_fit) {
    std::vector<Shortcut> same;
    for (uint32_t i = 0; i < 12; ++i) same.push_back({12345, i});
    std::vector<Bucket> buckets = build_shortcuts(same);
    size_t found = 0;
    for (uint32_t i = 0; i < 12; ++i) {
        if (find_shortcut(buckets, 12345, [i](uint32_t at) { return at == i; }) == i) ++found;
    }
    EXPECT_EQ(found, size_t{Bucket::size});
    EXPECT_TRUE(build_shortcuts({}).empty());
}

/// Enough bases that some share a full bucket; some too long for any; the same ones on two hosts.
TEST(Shortcuts, decide_nothing) {
    TableBuilder builder;
    std::vector<std::string> bases;
    for (uint32_t i = 0; i < 1500; ++i) {
        std::string base = "/b" + std::to_string(i);
        if (i % 7 == 0) base += "/" + std::string(i % 70, 'x') + "y";
        bases.push_back(base);
    }
    for (uint32_t i = 0; i < bases.size(); ++i) {
        builder.add_mount({"", bases[i], i, 0});
        builder.add_mount({"a.com", bases[i], 10'000 + i, 0});
        if (i % 2 == 0) builder.add_mount({"", bases[i] + "/in", 20'000 + i, 0});
    }
    BuildResult result = builder.build();
    ASSERT_NE(result.table, nullptr);
    for (uint32_t i = 0; i < bases.size(); ++i) {
        for (std::string_view rest : {"", "/", "/x/in", "/inner"}) {
            Match any = result.table->match("", bases[i] + std::string(rest), get);
            ASSERT_EQ(any.mount, i) << bases[i] << rest;
            ASSERT_EQ(any.base_size, bases[i].size());
            Match host = result.table->match("a.com", bases[i] + std::string(rest), get);
            ASSERT_EQ(host.mount, 10'000 + i) << bases[i] << rest;
            ASSERT_EQ(result.table->pass(host).mount, i) << bases[i] << rest;
        }
        Match in = result.table->match("b.com", bases[i] + "/in/x", get);
        ASSERT_EQ(in.mount, i % 2 == 0 ? 20'000 + i : i) << bases[i];
        ASSERT_FALSE(result.table->match("", bases[i] + "z", get).found());
    }
}

}  // namespace
}  // namespace ringtime::route
