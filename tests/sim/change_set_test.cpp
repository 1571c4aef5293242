// DESIGN 3 "Versions and changes": a version is exactly a set of changes, which with and without edit.
#include "ticklab/sim/change_set.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace ticklab::sim;

namespace {

constexpr std::array<std::string_view, 3> kVersions{"1.0", "1.1", "2.0"};
constexpr std::array<std::string_view, 1> kNeedsA{"A"};
constexpr std::array<std::string_view, 1> kNeedsB{"B"};
constexpr std::array<std::string_view, 1> kNotA{"A"};

struct ChangeFlags {
    bool a = false, b = false, c = false, unreleased = false, rival = false;
};

constexpr ChangeDecl change(std::string_view id, std::string_view since, std::span<const std::string_view> needs = {},
                            std::span<const std::string_view> conflicts = {}) {
    return {id, id, "part", ChangeKind::kFix, since, needs, conflicts, "source", "symptom"};
}

constexpr std::array<Change<ChangeFlags>, 5> kChanges{{{change("A", "1.0"), &ChangeFlags::a},
                                                       {change("B", "1.1", kNeedsA), &ChangeFlags::b},
                                                       {change("C", "2.0", kNeedsB), &ChangeFlags::c},
                                                       {change("unreleased", "", kNeedsB), &ChangeFlags::unreleased},
                                                       {change("rival", "", {}, kNotA), &ChangeFlags::rival}}};

std::string in_force(std::string version, std::vector<std::string> without = {}, std::vector<std::string> with = {}) {
    const ChangeFlags f =
        flags_in_force(kChanges, kVersions, {{}, std::move(version), std::move(without), std::move(with)});
    return std::string(f.a ? "a" : "") + (f.b ? "b" : "") + (f.c ? "c" : "") + (f.unreleased ? "u" : "") +
           (f.rival ? "r" : "");
}

std::string refusal(std::string version, std::vector<std::string> without, std::vector<std::string> with) {
    try {
        return "accepted: " + in_force(std::move(version), std::move(without), std::move(with));
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
}

}  // namespace

TEST_CASE("a version has the changes that came with it or before") {
    CHECK(in_force("1.0") == "a");
    CHECK(in_force("1.1") == "ab");
    CHECK(in_force("2.0") == "abc");
    CHECK(in_force("") == "abc");
}

TEST_CASE("what requires a change that is left out goes with it") {
    CHECK(in_force("2.0", {"C"}) == "ab");
    CHECK(in_force("2.0", {"B"}) == "a");
    CHECK(in_force("2.0", {"A"}) == "");
}

TEST_CASE("a change is put in where what it requires is in force") {
    CHECK(in_force("1.1", {}, {"C"}) == "abc");
    CHECK(in_force("1.0", {}, {"B", "C"}) == "abc");
    CHECK(in_force("2.0", {}, {"unreleased"}) == "abcu");
    CHECK(refusal("1.0", {}, {"C"}) == "kernel has the change C, expected \"B\", which it requires, in force too");
    CHECK(refusal("2.0", {"A"}, {"C"}) == "kernel has the change C, expected \"B\", which it requires, in force too");
}

TEST_CASE("changes that conflict are not in force together") {
    CHECK(in_force("1.0", {"A"}, {"rival"}) == "r");
    CHECK(refusal("1.0", {}, {"rival"}) ==
          "kernel has the change rival, expected it without \"A\", with which it conflicts");
}

TEST_CASE("a version or an id that is not declared is refused") {
    CHECK(refusal("3.0", {}, {}) == "version \"3.0\" is none of \"1.0\" to \"2.0\"");
    CHECK(refusal("2.0", {"Z"}, {}) == "\"Z\" is no change of this kernel");
}
