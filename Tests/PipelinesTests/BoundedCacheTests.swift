import Images
import Tensors
import Testing

@testable import Pipelines

@Suite struct BoundedCacheTests {
    private func cache(_ limit: Int) -> BoundedCache<String, Int> {
        BoundedCache(byteLimit: limit) { key, value in key.utf8.count + value }
    }

    @Test func entries_areForgottenFromTheOldestUse() {
        let cache = cache(30)
        for key in ["a", "b", "c"] { cache.insert(9, for: key) }
        #expect(cache["a"] == 9)
        cache.insert(9, for: "d")
        #expect(cache.count == 3 && cache["b"] == nil && cache["a"] != nil && cache["d"] != nil)
        cache.insert(5, for: "a")
        #expect(cache.count == 3 && cache["a"] == 5)
    }

    @Test func entries_thatDoNotFitAreNotKept() {
        let cache = cache(30)
        cache.insert(9, for: "a")
        cache.insert(100, for: "b")
        #expect(cache.count == 0)
    }

    @Test func pinnedEntries_stay() {
        let cache = cache(30)
        cache.insert(19, for: "pinned", isPinned: true)
        for key in ["a", "b", "c"] { cache.insert(9, for: key) }
        #expect(cache["pinned"] == 19)
        #expect(cache.count == 1)
    }

    @Test func conditions_areFoundByAllThatTheyDependOn() {
        let picture = MetaQueryBranch.Picture.black(PictureSize(width: 2, height: 2))
        let branch = MetaQueryBranch(text: "a cat", pictures: [picture])
        let cache = ConditionCache(byteLimit: 8192)
        let condition = Tensor([1, 2], shape: [1, 1, 2])
        cache.insert(condition, for: branch)
        #expect(cache[branch]?.array == [1, 2])
        #expect(cache[MetaQueryBranch(text: "a dog", pictures: [picture])]?.array == nil)
        #expect(cache[MetaQueryBranch(text: "a cat", pictures: [picture, picture])]?.array == nil)
        // The picture is as black, but somebody sent it.
        #expect(cache[MetaQueryBranch(text: "a cat", pictures: [.given(picture.image)])]?.array == nil)

        let null = MetaQueryBranch(text: "", pictures: [])
        cache.insert(condition, for: null)
        for index in 0..<20 { cache.insert(condition, for: MetaQueryBranch(text: "\(index)", pictures: [])) }
        #expect(cache[null] != nil && cache[branch] == nil && cache.count < 9)
    }

    // MARK: Branches

    private func guidance(_ pictures: Int, imageScale: Double) -> Guidance<MetaQueryBranch> {
        MetaQueryBranch.guidance(
            caption: "yes",
            negative: "no",
            pictures: (0..<pictures).map { PixelImage(width: 3 + $0, height: 2, color: .white) },
            scale: 4.5,
            imageScale: imageScale
        )
    }

    @Test func branches_areThoseOfTheOfficialSampler() {
        let two = guidance(0, imageScale: 1.5).branches
        #expect(two.map(\.condition.text) == ["no", "yes"] && two.map(\.weight) == [-3.5, 4.5])
        #expect(two.allSatisfy { $0.condition.pictures.isEmpty })

        let three = guidance(2, imageScale: 1.5).branches
        #expect(three.map(\.condition.text) == ["no", "no", "yes"] && three.map(\.weight) == [-0.5, -3, 4.5])
        #expect(
            three[0].condition.pictures == [
                .black(PictureSize(width: 3, height: 2)), .black(PictureSize(width: 4, height: 2)),
            ]
        )
        #expect(three[1].condition.pictures == three[2].condition.pictures)
        #expect(three[2].condition.pictures.first == .given(PixelImage(width: 3, height: 2, color: .white)))

        // Without a guidance by pictures they stand in both branches.
        let pictures = guidance(1, imageScale: 1).branches
        #expect(pictures.map(\.condition.text) == ["no", "yes"])
        #expect(pictures.allSatisfy { $0.condition.pictures.count == 1 })
        #expect(pictures[0].condition.pictures == pictures[1].condition.pictures)
    }

    @Test func guidance_keepsItsWeightsUnderOtherConditions() {
        let branches = guidance(1, imageScale: 2).branches
        let mapped = guidance(1, imageScale: 2).map(\.text).branches
        #expect(branches.map(\.weight) == [-1, -2.5, 4.5])
        // Equal conditions are one.
        #expect(mapped.map(\.condition) == ["no", "yes"] && mapped.map(\.weight) == [-3.5, 4.5])
    }
}
