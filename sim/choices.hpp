// Everything a scenario does not determine is asked here (MA 7).
//
// Rules
//  - A choice is an integer below a bound, at a named site; 0 means "nothing happens".
//  - A seed answers by hashing (seed; site; owner; root operation; ordinal within it), so one more draw, or one event
//    removed, leaves all other answers alone (MA 7.1). There is no other randomness.
//  - A strategy may answer instead of the seed (hunt, replay, shrink); the answers that are not 0 make up the decision
//    list.
#pragma once

#include <cassert>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ticklab/sim/time.hpp"

namespace ticklab::sim {

/// Mixes two words; the one hash that keys and roots are made with. Stable for ever.
constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    std::uint64_t x = a ^ (b + 0x9e3779b97f4a7c15ull + (a << 6) + (a >> 2));
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ull;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ull;
    x ^= x >> 32;
    return x;
}

/// Stable hash of a name.
constexpr std::uint64_t name_hash(std::string_view name) {
    std::uint64_t h = 0xcbf29ce484222325ull;
    for (const char c : name)
        h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    return mix(h, name.size());
}

/// A named place in the code: used for choices, for scenario triggers and for break points (MA 7.3). Define at
/// namespace scope, once: `inline constinit Site kAfterUnlock{"xen.migrate.after_unlock", "between ..."};`
class Site {
public:
    constexpr Site(std::string_view name, std::string_view help) : name_(name), help_(help), hash_(name_hash(name)) {}
    constexpr std::string_view name() const { return name_; }
    constexpr std::string_view help() const { return help_; }
    constexpr std::uint64_t hash() const { return hash_; }

private:
    std::string_view name_;
    std::string_view help_;
    std::uint64_t hash_;
};

/// Who asks: the stable name of a CPU, timer or task, the root operation that led here, and the counters of its draws.
/// One a thread and nesting level, so that ordinals count within one root operation.
class ChoiceContext {
public:
    explicit ChoiceContext(std::uint64_t owner = 0) : owner_(owner) {}
    /// Starts a root operation; the one that goes on already keeps its ordinals, so that no key comes twice.
    void begin(std::uint64_t root) {
        if (root == root_)
            return;
        root_ = root;
        used_ = 0;
    }
    std::uint64_t root() const { return root_; }
    std::uint64_t owner() const { return owner_; }
    /// The number of earlier draws at `site` in this root operation; counts one more.
    std::uint32_t next_ordinal(std::uint64_t site_hash) { return counter(site_hash).count++; }
    /// The key of the next draw at `site` (MA 7.1); counts it.
    std::uint64_t next_key(std::uint64_t site_hash) {
        Counter& c = counter(site_hash);
        return mix(c.stem, c.count++);
    }

private:
    struct Counter {
        std::uint64_t site;
        std::uint64_t stem;  ///< what the keys of its draws have in common
        std::uint32_t count;
    };
    Counter& counter(std::uint64_t site_hash) {
        for (std::size_t i = 0; i < used_; ++i)
            if (counters_[i].site == site_hash)
                return counters_[i];
        return new_counter(site_hash);
    }
    Counter& new_counter(std::uint64_t site_hash);

    std::uint64_t owner_;
    std::uint64_t root_ = 0;
    std::size_t used_ = 0;
    std::vector<Counter> counters_;
};

class Cpu;

/// What is known of an interleaving point when a CPU comes to it.
struct InterleavingPoint {
    const Site* site = nullptr;    ///< null if it has no name
    const void* object = nullptr;  ///< the cache line or device that the CPU is about to access; null if it is none
    bool write = false;
};

/// Answers choices in place of the seed.
class Strategy {
public:
    virtual ~Strategy() = default;
    /// `cpu` has come to an interleaving point and will ask whether it is stalled there.
    virtual void at_point(const Cpu& cpu, const InterleavingPoint& point);
    /// An answer below `bound`. `seeded` is what the seed would answer.
    virtual std::uint64_t answer(const Site& site, std::uint64_t key, std::uint64_t bound, std::uint64_t seeded) = 0;
};

class Choices {
public:
    explicit Choices(std::uint64_t seed) : seed_(seed), stem_(mix(seed, 0x7469636b6c6162ull)) {}

    std::uint64_t seed() const { return seed_; }
    /// A uniform integer in [0, bound), bound >= 1, by counter-based generator or strategy.
    std::uint64_t draw(const Site& site, ChoiceContext& context, std::uint64_t bound) {
        assert(bound >= 1);
        const std::uint64_t key = context.next_key(site.hash());
        return settle(site, key, bound, seeded(key, bound));
    }
    /// True once in `n` draws on average, n >= 1: a choice of two answers.
    bool one_in(const Site& site, ChoiceContext& context, std::uint64_t n) {
        assert(n >= 1);
        const std::uint64_t key = context.next_key(site.hash());
        return settle(site, key, 2, seeded(key, n) == 0) != 0;
    }
    /// Exponentially distributed whole number with the given mean (integer logarithm, no libm; MA 7.4), at most 44
    /// means.
    std::uint64_t exponential(const Site& site, ChoiceContext& context, std::uint64_t mean);

    /// Null for the seed.
    void set_strategy(Strategy* strategy) { strategy_ = strategy; }
    Strategy* strategy() const { return strategy_; }

private:
    /// Multiply-shift maps the word onto [0, bound) with an error below bound / 2^64.
    std::uint64_t seeded(std::uint64_t key, std::uint64_t bound) const {
        return static_cast<std::uint64_t>((UInt128{mix(stem_, key)} * bound) >> 64);
    }
    std::uint64_t settle(const Site& site, std::uint64_t key, std::uint64_t bound, std::uint64_t seeded) {
        return strategy_ ? ask(site, key, bound, seeded) : seeded;
    }
    std::uint64_t ask(const Site& site, std::uint64_t key, std::uint64_t bound, std::uint64_t seeded);

    std::uint64_t seed_;
    std::uint64_t stem_;
    Strategy* strategy_ = nullptr;
};

/// -log2(u / 2^64) in units of 2^-32, for u >= 1, by integer arithmetic alone.
std::uint64_t negative_log2_fixed(std::uint64_t u);

}  // namespace ticklab::sim
