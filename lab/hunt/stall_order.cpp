#include "ticklab/lab/hunt/stall_order.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "ticklab/sim/choices.hpp"
#include "ticklab/sim/machine_sites.hpp"

namespace ticklab::lab {
namespace {

using sim::Duration;

constexpr sim::Site kShuffle{"hunt.delay.shuffle", "the order in which stalls of a kind are tried, and kinds"};
constexpr sim::Site kAnywhere{"hunt.delay.anywhere", "whether a stall is at any point or a promising one"};
constexpr sim::Site kKind{"hunt.delay.kind", "of which kind a stall is"};
constexpr sim::Site kPlace{"hunt.delay.place", "the point and the length of a stall"};

/// A place that a CPU comes to in a run.
struct Point {
    sim::Time at;
    sim::CpuId cpu;
    bool write;
    bool begins_interrupt;
    std::uint64_t doing;
    std::uint64_t number;  ///< from 0
};

/// In the order in which things take effect.
struct Course {
    std::vector<std::vector<Point>> objects;  ///< the accesses to each
    std::vector<std::vector<Point>> cpus;     ///< all that each comes to
};

bool of_any_lock(const sim::Site& site) {
    return site.hash() == sim::sites::kLockAcquired.hash() || site.hash() == sim::sites::kLockRelease.hash();
}

Course course_of(std::span<const Crossing> crossings) {
    struct CpuSoFar {
        std::uint64_t site = 0;  ///< the last that it came to, by hash
        unsigned irq_depth = 0;
    };
    Course course;
    std::map<const void*, std::size_t> numbers;
    std::map<const char*, std::uint64_t> names;  // a literal may have several addresses, and each has one name
    std::vector<CpuSoFar> cpus;
    std::uint64_t number = 0;
    for (const Crossing& c : crossings) {
        if (c.tie)
            continue;
        if (c.cpu >= cpus.size()) {
            cpus.resize(c.cpu + 1);
            course.cpus.resize(c.cpu + 1);
        }
        CpuSoFar& cpu = cpus[c.cpu];
        if (c.point.site && !of_any_lock(*c.point.site))
            cpu.site = c.point.site->hash();
        const auto [name, unknown] = names.try_emplace(c.doing, 0);
        if (unknown)
            name->second = sim::name_hash(c.doing);
        const Point point{c.at,    c.cpu, c.point.write, c.irq_depth > cpu.irq_depth, sim::mix(name->second, cpu.site),
                          number++};
        cpu.irq_depth = c.irq_depth;
        course.cpus[c.cpu].push_back(point);
        if (!c.point.object)
            continue;
        const auto [object, fresh] = numbers.try_emplace(c.point.object, course.objects.size());
        if (fresh)
            course.objects.emplace_back();
        course.objects[object->second].push_back(point);
    }
    for (std::vector<Point>& object : course.objects)
        std::stable_sort(object.begin(), object.end(), [](const Point& a, const Point& b) {
            return std::pair(a.at, a.cpu) < std::pair(b.at, b.cpu);
        });
    return course;
}

template <class T>
void shuffle(std::vector<T>& values, sim::Choices& choices, sim::ChoiceContext& context) {
    for (std::size_t i = values.size(); i > 1; --i)
        std::swap(values[i - 1], values[choices.draw(kShuffle, context, i)]);
}

/// Places by kind.
class Kinds {
public:
    using Places = std::vector<std::uint64_t>;

    void add(std::uint64_t kind, std::uint64_t point, std::size_t rung) {
        const auto [number, fresh] = numbers_.try_emplace(kind, kinds_.size());
        if (fresh)
            kinds_.emplace_back();
        kinds_[number->second].push_back(point * kStallDivisors.size() + rung);
    }
    void shuffle_all(sim::Choices& choices, sim::ChoiceContext& context) {
        shuffle(kinds_, choices, context);
        for (Places& kind : kinds_)
            shuffle(kind, choices, context);
    }
    Places in_turn() const {
        Places places;
        for (std::size_t turn = 0, taken = 1; taken != 0; ++turn) {
            taken = 0;
            for (const Places& kind : kinds_)
                if (turn < kind.size()) {
                    places.push_back(kind[turn]);
                    ++taken;
                }
        }
        return places;
    }
    const std::vector<Places>& kinds() const { return kinds_; }

private:
    std::map<std::uint64_t, std::size_t> numbers_;
    std::vector<Places> kinds_;
};

Kinds conflicts_of(const Course& course, Duration max_stall) {
    Kinds kinds;
    std::vector<std::uint64_t> passed;  // what those are doing whom the stall lets pass
    for (const std::vector<Point>& object : course.objects)
        for (auto first = object.begin(); first != object.end(); ++first) {
            passed.clear();
            auto second = first + 1;
            // The shortest length comes last in the table.
            for (std::size_t rung = kStallDivisors.size(); rung-- > 0;) {
                const Duration length = stall_length(max_stall, rung);
                for (; second != object.end() && second->at - first->at < length; ++second)
                    if (second->cpu != first->cpu && (first->write || second->write))
                        passed.push_back(second->doing);
                if (passed.empty())
                    continue;
                std::sort(passed.begin(), passed.end());
                passed.erase(std::unique(passed.begin(), passed.end()), passed.end());
                kinds.add(std::accumulate(passed.begin(), passed.end(), first->doing,
                                          [](std::uint64_t a, std::uint64_t b) { return sim::mix(a, b); }),
                          first->number, rung);
            }
        }
    return kinds;
}

Kinds interrupts_of(const Course& course, Duration max_stall) {
    Kinds kinds;
    for (const std::vector<Point>& cpu : course.cpus) {
        const Point* interrupt = nullptr;
        for (auto point = cpu.rbegin(); point != cpu.rend(); ++point) {
            for (std::size_t rung = 0; interrupt && rung < kStallDivisors.size(); ++rung)
                if (interrupt->at - point->at < stall_length(max_stall, rung))
                    kinds.add(sim::mix(point->doing, interrupt->doing), point->number, rung);
            if (point->begins_interrupt)
                interrupt = &*point;
        }
    }
    return kinds;
}

/// The least number that `stride` times makes 1 modulo `modulus`; they have no common divisor.
std::uint64_t inverse(std::uint64_t stride, std::uint64_t modulus) {
    sim::Int128 previous = 0, current = 1;
    for (std::uint64_t a = modulus, b = stride % modulus; b > 1;) {
        const std::uint64_t quotient = a / b;
        a = std::exchange(b, a % b);
        previous = std::exchange(current, previous - static_cast<sim::Int128>(quotient) * current);
    }
    return static_cast<std::uint64_t>(current < 0 ? current + modulus : current) % modulus;
}

}  // namespace

StallOrder::StallOrder(std::span<const Crossing> crossings, std::uint64_t points, Duration max_stall,
                       std::uint64_t seed)
    : points_(std::max<std::uint64_t>(1, points)), max_stall_(max_stall) {
    // A stride near the golden section of the whole and without a common divisor reaches each number once.
    stride_ = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(sim::UInt128{size()} * 618'034 / 1'000'000));
    while (std::gcd(stride_, size()) != 1)
        ++stride_;

    const Course course = course_of(crossings);
    Kinds conflicts = conflicts_of(course, max_stall), interrupts = interrupts_of(course, max_stall);
    sim::Choices choices(seed);
    sim::ChoiceContext context(sim::name_hash("hunt"));
    for (Kinds* const kinds : {&conflicts, &interrupts}) {
        kinds->shuffle_all(choices, context);
        kinds_.insert(kinds_.end(), kinds->kinds().begin(), kinds->kinds().end());
    }
    const std::vector<Place> of_conflicts = conflicts.in_turn(), of_interrupts = interrupts.in_turn();
    std::set<Place> taken;
    for (std::size_t i = 0; i < std::max(of_conflicts.size(), of_interrupts.size()); ++i)
        for (const std::vector<Place>* const places : {&of_conflicts, &of_interrupts})
            if (i < places->size() && taken.insert((*places)[i]).second)
                promising_.push_back((*places)[i]);

    const std::uint64_t to_position = inverse(stride_, size());
    for (const Place place : promising_)
        skipped_.push_back(static_cast<std::uint64_t>(sim::UInt128{place} * to_position % size()));
    std::sort(skipped_.begin(), skipped_.end());
}

PlacedStall StallOrder::stall(Place place) const {
    return {1 + place / kStallDivisors.size(), stall_length(max_stall_, place % kStallDivisors.size())};
}

PlacedStall StallOrder::operator[](std::uint64_t index) const {
    if (index < promising_.size())
        return stall(promising_[index]);
    // Number `left` of the positions that are not skipped: so many before it are, each of which pushes it on.
    const std::uint64_t left = index - promising_.size();
    std::size_t before = 0, end = skipped_.size();
    while (before != end) {
        const std::size_t middle = before + (end - before) / 2;
        if (skipped_[middle] - middle <= left)
            before = middle + 1;
        else
            end = middle;
    }
    return stall(static_cast<Place>(sim::UInt128{left + before} * stride_ % size()));
}

std::vector<PlacedStall> StallOrder::sample(std::uint64_t seed, std::uint64_t depth) const {
    sim::Choices choices(seed);
    sim::ChoiceContext context(sim::name_hash("hunt"));
    std::vector<PlacedStall> stalls;
    for (std::uint64_t i = 0; i < depth; ++i) {
        if (kinds_.empty() || choices.draw(kAnywhere, context, 2) != 0) {
            stalls.push_back((*this)[choices.draw(kPlace, context, size())]);
            continue;
        }
        const std::vector<Place>& kind = kinds_[choices.draw(kKind, context, kinds_.size())];
        stalls.push_back(stall(kind[choices.draw(kPlace, context, kind.size())]));
    }
    const auto by_point = [](const PlacedStall& a, const PlacedStall& b) { return a.point < b.point; };
    const auto at_one = [](const PlacedStall& a, const PlacedStall& b) { return a.point == b.point; };
    std::stable_sort(stalls.begin(), stalls.end(), by_point);
    stalls.erase(std::unique(stalls.begin(), stalls.end(), at_one), stalls.end());
    return stalls;
}

}  // namespace ticklab::lab
