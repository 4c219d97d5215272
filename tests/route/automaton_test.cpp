// Automata: both forms against the plain matcher, the smallest table, the caps.

#include <gtest/gtest.h>

#include <random>

#include "../oracle/brute_matcher.h"
#include "methods.h"
#include "route/automaton.h"
#include "route/automaton_code.h"

namespace ringtime::route {
namespace {

class Compiled {
  public:
    explicit Compiled(const std::vector<std::string>& globs, const AutomatonCaps& caps = {})
        : globs_(globs) {
        std::vector<Glob> parsed;
        for (const std::string& glob : globs) parsed.push_back(parse_glob(glob));
        std::vector<Seed> seeds;
        for (const Glob& glob : parsed) {
            EXPECT_EQ(glob.error, nullptr);
            seeds.push_back({glob.items, {0}, get});
        }
        kind = compile_automaton(seeds, code_, reported, caps);
    }
    [[nodiscard]] AutomatonInfo info() const { return automaton_info(code_.data()); }
    void check(const std::string& text) const {
        Verdict verdict = run_automaton(code_.data(), text, get);
        uint32_t expected = UINT32_MAX;
        for (uint32_t i = 0; i < globs_.size() && expected == UINT32_MAX; ++i) {
            if (oracle::glob_matches(globs_[i], text)) expected = i;
        }
        ASSERT_EQ(verdict.member, expected) << text << " " << globs_[0];
        ASSERT_EQ(verdict.methods, expected == UINT32_MAX ? 0 : get) << text;
        if (expected != UINT32_MAX) {
            ASSERT_TRUE(code::may_accept(code_.data(), text)) << text;
        }
    }
    [[nodiscard]] const uint64_t* code() const { return code_.data(); }

    AutomatonKind kind;
    std::vector<bool> reported;

  private:
    std::vector<std::string> globs_;
    std::vector<uint64_t> code_;
};

[[nodiscard]] std::string random_text(std::mt19937& random, const char* alphabet, size_t letters,
                                      size_t longest) {
    std::string text = "/";
    for (size_t n = random() % longest; n > 0; --n) text += alphabet[random() % letters];
    return text;
}

TEST(Automaton, most_texts_are_told_by_their_end) {
    Compiled compiled({"/*/status", "/**/*.css"});
    for (const char* text : {"/a/status", "/a.css", "/", ""})
        EXPECT_TRUE(code::may_accept(compiled.code(), text)) << text;
    for (const char* text : {"/a/orders", "/a/stats/", "/a.js", "/items/42", "/a"})
        EXPECT_FALSE(code::may_accept(compiled.code(), text)) << text;
    Compiled open({"/*/status", "/files/**"});
    EXPECT_TRUE(code::may_accept(open.code(), "/files/1"));
}

TEST(Automaton, tables_agree_with_the_plain_matcher) {
    std::mt19937 random(5);
    for (int round = 0; round < 2000; ++round) {
        std::vector<std::string> globs;
        for (size_t n = 1 + random() % 4; n > 0; --n)
            globs.push_back(random_text(random, "ab/**?", 6, 9));
        Compiled compiled(globs);
        ASSERT_EQ(compiled.kind, AutomatonKind::table);
        for (int i = 0; i < 50; ++i) compiled.check(random_text(random, "aab/c", 5, 14));
    }
}

TEST(Automaton, sets_of_positions_agree_with_the_plain_matcher) {
    std::mt19937 random(6);
    for (size_t count : {13, 14, 20}) {
        std::vector<std::string> globs;
        for (size_t i = 0; i < count; ++i) {
            std::string mark(1, static_cast<char>('a' + i));
            globs.push_back("/**" + mark + "/**x" + mark);
        }
        Compiled compiled(globs);
        ASSERT_EQ(compiled.kind, AutomatonKind::positions) << count;
        for (int i = 0; i < 3000; ++i) compiled.check(random_text(random, "abcx//", 6, 24));
    }
}

TEST(Automaton, both_at_once_say_what_each_says_alone) {
    std::mt19937 random(7);
    Compiled a({"/**/a*b", "/x/**"});
    Compiled b({"/*a/**", "/b?"});
    for (int i = 0; i < 20'000; ++i) {
        std::string text = random_text(random, "aabx//", 6, 20);
        size_t cut = random() % text.size();
        std::string_view tail = std::string_view(text).substr(cut);
        Verdict first, second;
        run_automata({a.code(), text}, {b.code(), tail}, get, first, second);
        EXPECT_EQ(first.member, run_automaton(a.code(), text, get).member);
        EXPECT_EQ(second.member, run_automaton(b.code(), tail, get).member);
        run_automata({b.code(), tail}, {a.code(), text}, get, second, first);
        EXPECT_EQ(first.member, run_automaton(a.code(), text, get).member);
        EXPECT_EQ(second.member, run_automaton(b.code(), tail, get).member);
    }
}

TEST(Automaton, sets_of_positions_say_the_same_two_at_once) {
    std::mt19937 random(8);
    const AutomatonCaps few{.states = 2};
    for (int round = 0; round < 300; ++round) {
        std::vector<std::string> globs[2];
        for (auto& list : globs) {
            for (size_t n = 1 + random() % 9; n > 0; --n)
                list.push_back(random_text(random, "ab/**?", 6, 20));
        }
        Compiled a(globs[0], few);
        Compiled b(globs[1], few);
        // A glob like `/**` has a table of so few states, too.
        if (a.kind != AutomatonKind::positions || b.kind != a.kind) continue;
        for (int i = 0; i < 20; ++i) {
            std::string text = random_text(random, "aab/c", 5, 80);
            a.check(text);
            std::string_view tail = std::string_view(text).substr(random() % text.size());
            Verdict first, second;
            run_automata({a.code(), text}, {b.code(), tail}, get, first, second);
            EXPECT_EQ(first.member, run_automaton(a.code(), text, get).member) << text;
            EXPECT_EQ(second.member, run_automaton(b.code(), tail, get).member) << tail;
        }
    }
}

TEST(Automaton, a_pattern_longer_than_a_word_has_no_set_of_positions) {
    const AutomatonCaps few{.states = 2};
    EXPECT_EQ(Compiled({"/" + std::string(62, 'a')}, few).kind, AutomatonKind::positions);
    EXPECT_EQ(Compiled({"/" + std::string(63, 'a')}, few).kind, AutomatonKind::refused);
    // Four of more than half a word fill the four words.
    std::vector<std::string> globs(4, "/" + std::string(40, 'b'));
    EXPECT_EQ(Compiled(globs, few).kind, AutomatonKind::positions);
    globs.push_back("/" + std::string(40, 'b'));
    EXPECT_EQ(Compiled(globs, few).kind, AutomatonKind::refused);
}

TEST(Automaton, tables_are_minimal) {
    // Counted by hand: dead, start, and one state per distinguishable rest.
    EXPECT_EQ(Compiled({"/**"}).info().states, 3u);         // start, inside, dead
    EXPECT_EQ(Compiled({"/*"}).info().states, 3u);          // start, segment, dead
    EXPECT_EQ(Compiled({"/ab"}).info().states, 5u);         // start, /, /a, /ab, dead
    EXPECT_EQ(Compiled({"/**/*"}).info().states, 4u);       // start, one slash, two, dead
    EXPECT_EQ(Compiled({"/ax", "/bx"}).info().states, 7u);  // Which glob it was matters to the end.
    EXPECT_EQ(Compiled({"/**", "/a/**"}).info().states, 3u) << "the second glob can never decide";
    EXPECT_EQ(Compiled({"/a*", "/a*", "/a*"}).info().states, 4u);
}

TEST(Automaton, reports_which_patterns_can_decide) {
    Compiled compiled({"/a/**", "/a/b", "/*"});
    EXPECT_EQ(compiled.reported, (std::vector<bool>{true, false, true}));
}

TEST(Automaton, beyond_both_caps_nothing_is_built) {
    std::vector<std::string> globs;
    for (int i = 0; i < 12; ++i)
        globs.push_back("/**/a" + std::to_string(i) + "/**/b" + std::to_string(i));
    const AutomatonCaps few_states{.states = 200};
    const AutomatonCaps few_bytes{.bytes = 4096};
    EXPECT_EQ(Compiled(globs, few_states).kind, AutomatonKind::positions);
    EXPECT_EQ(Compiled(globs, few_bytes).kind, AutomatonKind::positions);
    EXPECT_EQ(Compiled(globs, {.states = 200, .positions = 64}).kind, AutomatonKind::refused);
    EXPECT_EQ(Compiled(globs, {.bytes = 4096, .positions = 64}).kind, AutomatonKind::refused);
}

}  // namespace
}  // namespace ringtime::route
