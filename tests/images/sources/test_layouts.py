"""Layouts of public archives, by kind, as folders and as zips: classes, parts, and what is ignored or refused."""

import io
import itertools
import logging
import re
import shlex
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro.logging import RichHandler
from rich.console import Console

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.sources import Source, open_source
from dogs_vs_cats.images.sources.layouts import arrange
from dogs_vs_cats.images.sources.names import class_name_of, part_of
from dogs_vs_cats.parameters.command_line import parse
from tests.conftest import PROJECT
from tests.images.sources.test_sources import parameters, write_files

Counts = dict[str, dict[str, int]]
"""Number of images by part and class."""

MANY = [f"class{number:02}" for number in range(30)]
DIGITS = "{0,1,2,3,4,5,6,7,8,9}"


@dataclass(frozen=True)
class Layout:
    """An archive's layout.

    Attributes:
        kind: The case.
        files: Patterns of paths: `{a,b}` stands for each; a path that ends in `/` is an empty folder.
        found: The right result.
        says: The message in the log, beside the classes.
    """

    kind: str
    files: tuple[str, ...]
    found: Counts
    says: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A layout with several readings.

    Attributes:
        kind: The case.
        files: See `Layout`.
        settled: The result of each advised value, in their order.
        says: The message.
    """

    kind: str
    files: tuple[str, ...]
    settled: dict[str, Counts] = field(default_factory=dict)
    says: tuple[str, ...] = ()


def both(names: str, train: int, test: int) -> Counts:
    return {"train": dict.fromkeys(names.split(), train), "test": dict.fromkeys(names.split(), test)}


def alone(names: str, count: int) -> Counts:
    return {"": dict.fromkeys(names.split(), count)}


KNOWN = [
    Layout(
        "Kaggle's dogs vs cats, unpacked",
        ("train/{cat,dog}.{0,1,2}.jpg", "test1/{1,2}.jpg", "sampleSubmission.csv"),
        alone("cat dog", 3),
        ("classes by file name", "test1, unlabelled images of the test part", "(sampleSubmission.csv)"),
    ),
    Layout(
        "Microsoft's",
        ("PetImages/{Cat,Dog}/{0,1}.jpg", "PetImages/Cat/Thumbs.db", "readme[1].txt"),
        alone("cat dog", 2),
        ("one folder per class", "PetImages/Cat/Thumbs.db"),
    ),
    Layout(
        "Intel's scenes: parts with a prefix, in folders of the same name",
        (
            "seg_train/seg_train/{sea,street}/{1,2,3}.jpg",
            "seg_test/seg_test/{sea,street}/{4,5}.jpg",
            "seg_pred/seg_pred/{6,7}.jpg",
        ),
        both("sea street", 3, 2),
        (
            "train (seg_train/seg_train: 6 files)",
            "test (seg_test/seg_test: 4 files)",
            "Ignored 2 files",
            "seg_pred,",
        ),
    ),
    Layout(
        "chest X-rays, held twice",
        (
            "chest_xray{,/chest_xray}/train/{NORMAL,PNEUMONIA}/{1,2,3}.jpeg",
            "chest_xray{,/chest_xray}/test/{NORMAL,PNEUMONIA}/4.jpeg",
            "chest_xray{,/chest_xray}/val/{NORMAL,PNEUMONIA}/5.jpeg",
            "chest_xray/__MACOSX/train/NORMAL/._1.jpeg",
        ),
        both("NORMAL PNEUMONIA", 4, 1),
        (
            "Ignored 10 files",
            "chest_xray/chest_xray, beside images with classes",
            "system or hidden (chest_xray/__MACOSX/",
        ),
    ),
    Layout(
        "a course's cats and dogs, with photos to predict",
        (
            "dataset/training_set/{cats/cat,dogs/dog}.{1,2,3}.jpg",
            "dataset/test_set/{cats/cat,dogs/dog}.{4001,4002}.jpg",
            "dataset/single_prediction/cat_or_dog_{1,2}.jpg",
        ),
        both("cat dog", 3, 2),
        ("dataset/single_prediction, unlabelled images of the prediction part",),
    ),
    Layout(
        "traffic signs: numbered classes, unlabelled test images, tables",
        ("Train/" + DIGITS + "/0000_{1,2}.png", "Test/{00000,00001}.png", "Meta/{0,1}.png", "{Train,Test,Meta}.csv"),
        alone("0 1 2 3 4 5 6 7 8 9", 2),
        (
            "Test, unlabelled images of the test part",
            "Meta, beside images with classes",
            "Meta.csv, Test.csv, Train.csv",
        ),
    ),
    Layout(
        "the sign language's alphabet",
        (
            "asl_alphabet_train/asl_alphabet_train/{A,B,del,nothing}/x{1,2}.jpg",
            "asl_alphabet_test/asl_alphabet_test/{A,B,nothing}_test.jpg",
        ),
        alone("A B del nothing", 2),
        ("Ignored 3 files", "asl_alphabet_test, unlabelled images of the test part"),
    ),
    Layout(
        "fruits",
        (
            "fruits-360/Training/{Apple Red 1,Banana}/{0,1}_100.jpg",
            "fruits-360/Test/{Apple Red 1,Banana}/2_100.jpg",
            "fruits-360/test-multiple_fruits/apple_{1,2}.jpg",
            "fruits-360/papers/article.pdf",
        ),
        {part: {"Apple Red 1": count, "Banana": count} for part, count in (("train", 2), ("test", 1))},
        ("fruits-360/test-multiple_fruits, unlabelled images of the test part", "fruits-360/papers/article.pdf"),
    ),
    Layout(
        "the filtered cats and dogs",
        (
            "cats_and_dogs_filtered/train/{cats/cat,dogs/dog}.{0,1}.jpg",
            "cats_and_dogs_filtered/validation/{cats/cat,dogs/dog}.2.jpg",
            "cats_and_dogs_filtered/vectorize.py",
        ),
        both("cat dog", 2, 1),
        ("vectorize.py",),
    ),
    Layout(
        "flower photos with a licence",
        ("flower_photos/{daisy,tulips}/{1,2}_n.jpg", "flower_photos/LICENSE.txt"),
        alone("daisy tulips", 2),
        ("flower_photos/LICENSE.txt",),
    ),
    Layout("files named after classes at the top", ("{cat,dog}.{0,1}.jpg",), alone("cat dog", 2)),
    Layout("files named after classes in parts", ("{train,test}/{cat,dog}.{0,1}.jpg",), both("cat dog", 2, 2)),
    Layout("files that a camera numbered in class folders", ("{Cat,Dog}/{IMG,DSC}.{1,2}.jpg",), alone("cat dog", 4)),
    Layout("test1 among class folders", ("x/{cat,dog,test1}/1.jpg",), alone("cat dog", 1)),
    Layout("ants and bees", ("h/{train,val}/{ants,bees}/{1,2}_a.jpg",), both("ants bees", 2, 2)),
    Layout(
        "Caltech 101",
        (
            "caltech-101/101_ObjectCategories/{BACKGROUND_Google,accordion,Faces}/image_{1,2}.jpg",
            "caltech-101/Annotations/{accordion,Faces_2}/annotation_0001.mat",
        ),
        alone("BACKGROUND_Google accordion Faces", 2),
        ("caltech-101/Annotations holds no image (2 .mat)",),
    ),
    Layout(
        "Food 101",
        ("food-101/images/{apple_pie,ramen}/{1,2}.jpg", "food-101/meta/{classes,train}.txt", "food-101/license.txt"),
        alone("apple_pie ramen", 2),
    ),
    Layout("CIFAR-10 as files", ("cifar10/{train,test}/{ship,frog}/000{1,2}.jpg",), both("ship frog", 2, 2)),
    Layout(
        "rock, paper, scissors: the training part isn't called so",
        (
            "rps/rps/{paper,rock,scissors}/{1,2}.png",
            "rps-test-set/rps-test-set/{paper,rock,scissors}/t1.png",
            "rps-validation/{paper,rock}-hires1.png",
        ),
        both("paper rock scissors", 2, 1),
        ("rps is read as the training part: it holds the classes of rps-test-set", "rps-validation, unlabelled"),
    ),
    Layout(
        "parts with French names",
        ("{entrainement,validation,test}/{a,b}/1.png",),
        both("a b", 2, 1),
        ("train (entrainement: 2 files)", "entrainement is read as the training part: it holds the classes of test"),
    ),
    Layout("a test part beside the data", ("data/{a,b}/{1,2}.png", "test/{a,b}/3.png"), both("a b", 2, 1)),
    Layout(
        "a test part beside a folder with the other parts",
        ("data/{train,val}/{a,b}/1.png", "test/{a,b}/2.png"),
        both("a b", 2, 1),
    ),
    Layout("folds within one of the classes", ("cats/{1,2}.jpg", "dogs/fold{1,2}/1.jpg"), alone("cat dog", 2)),
    Layout(
        "photos to predict within a class that has images of its own",
        ("{cats,dogs}/{1,2}.jpg", "cats/{train,pred}/3.jpg"),
        {"": {"cat": 3, "dog": 2}},
        ("cats/pred, unlabelled images of the prediction part",),
    ),
    Layout(
        "Stanford's dogs: annotations in folders of the same names",
        ("images/Images/{n02-Chihuahua,n03-pug}/n_{1,2}.jpg", "annotations/Annotation/{n02-Chihuahua,n03-pug}/n_{1,2}"),
        alone("n02-Chihuahua n03-pug", 2),
    ),
    Layout(
        "COVID radiographs: masks beside the images of each class",
        ("{COVID,Normal}/{images,masks}/{1,2}.png", "{COVID,Normal}.metadata.xlsx"),
        alone("COVID Normal", 2),
        ("COVID/masks, masks or annotations beside images", "Normal/masks, masks or"),
    ),
    Layout(
        "images and masks side by side",
        ("{images,masks}/{a,b}/{1,2}.png",),
        alone("a b", 2),
        ("masks, masks or annotations beside images",),
    ),
    Layout(
        "parts within the classes",
        ("{cats,dogs}/train/{1,2,3}.jpg", "{cats,dogs}/test/4.jpg"),
        both("cat dog", 3, 1),
        ("one folder per class; parts: train (cats, dogs: 6 files), test (cats, dogs: 2 files)",),
    ),
    Layout(
        "superclasses",
        ("animals/{cat,dog}/{1,2}.jpg", "vehicles/{car,ship}/{1,2}.jpg"),
        alone("animals vehicles", 4),
        ("Sub-folders of the classes (car, cat, dog, ship)", "ingestion.classes=[car,cat,dog,ship] takes them as"),
    ),
    Layout(
        "a class that is called test",
        ("{control,sham,test}/{1,2}.png",),
        alone("control sham test", 2),
        ("not as parts of a dataset: test; ingestion.classes=[control,sham] leaves it out",),
    ),
    Layout("two classes, one of them called test", ("{control,test}/{1,2}.png",), alone("control test", 2)),
    Layout(
        "classes that share a word for a part",
        ("{bullet_train,steam_train}/1.jpg",),
        alone("bullet_train steam_train", 1),
        ("Read as classes, not as parts of a dataset: bullet_train, steam_train",),
    ),
    Layout(
        "photos to predict among the classes",
        ("{cats,dogs}/{1,2}.jpg", "single_prediction/1.jpg"),
        alone("cat dog", 2),
        ("single_prediction, unlabelled images of the prediction part",),
    ),
    Layout("folds", ("fold{1,2,3}/{a,b}/{1,2}.png",), alone("a b", 6)),
    Layout("folds by letter", ("fold{A,B}/{a,b}/{1,2}.png",), alone("a b", 4)),
    Layout("pieces of one set by word", ("part_one/{a,b}/1.png", "part_two/{c,d}/1.png"), alone("a b c d", 1)),
    Layout("folds and a test part", ("fold_{1,2}/{a,b}/{1,2}.png", "test/{a,b}/9.png"), both("a b", 4, 1)),
    Layout("numbered pieces of one set", ("images_001/{a,b}/1.png", "images_002/{c,d}/1.png"), alone("a b c d", 1)),
    Layout(
        "a data set beside figures",
        ("data/{train,test}/{a,b}/{1,2}.png", "figures/{1,2}.png"),
        both("a b", 2, 2),
        ("figures, beside images with classes",),
    ),
    Layout(
        "classes in one folder, unlabelled test images beside it",
        ("simpsons/simpsons/{bart,lisa,moe}/{1,2}.jpg", "simpsons_testset/{1,2}.jpg"),
        alone("bart lisa moe", 2),
        ("simpsons_testset, unlabelled images of the test part",),
    ),
    Layout(
        "files named after classes in one folder, unlabelled test images beside it",
        ("dogs-vs-cats/{cat,dog}.{1,2}.jpg", "test1/{1,2}.jpg"),
        alone("cat dog", 2),
        ("test1, unlabelled images of the test part",),
    ),
    Layout(
        "tiny ImageNet: a folder of images in each class, validation labels in a table",
        ("tiny/train/{n01,n02}/images/n_{1,2}.JPEG", "tiny/{val,test}/images/{1,2}.JPEG", "tiny/val/annotations.txt"),
        alone("n01 n02", 2),
        ("tiny/val, unlabelled images of the validation part", "tiny/test, unlabelled images of the test part"),
    ),
    Layout(
        "birds with their segmentations",
        ("CUB/images/{001.Albatross,002.Auklet}/{1,2}.jpg", "CUB/segmentations/{001.Albatross,002.Auklet}/{1,2}.png"),
        alone("001.Albatross 002.Auklet", 2),
        ("CUB/segmentations, masks or annotations beside images",),
    ),
    Layout(
        "blood cells: two datasets, one with classes and parts",
        (
            "dataset2-master/images/{TRAIN,TEST,TEST_SIMPLE}/{EOSINOPHIL,MONOCYTE}/{1,2}.jpeg",
            "dataset-master/JPEGImages/BloodImage_{1,2}.jpg",
        ),
        both("EOSINOPHIL MONOCYTE", 2, 4),
        ("dataset-master, beside images with classes",),
    ),
    Layout(
        "faces with and without a mask",
        ("data/{with_mask,without_mask}/{1,2}.jpg",),
        alone("with_mask without_mask", 2),
    ),
    Layout(
        "a class with sub-folders beside classes without",
        ("{a,b,c}/{1,2}.jpg", "d/{google,bing}/1.jpg"),
        alone("a b c d", 2),
        ("Sub-folders of the classes (bing, google) are read as images of their class",),
    ),
    Layout(
        "an extra set beside the parts",
        ("{train,test,augmented}/{a,b}/1.png",),
        both("a b", 1, 1),
        ("augmented, beside", "augmented has classes too, but isn't read"),
    ),
    Layout(
        "one class only in the test part",
        ("train/{a,b}/{1,2}.png", "test/a/3.png"),
        {"train": {"a": 2, "b": 2}, "test": {"a": 1}},
    ),
    Layout(
        "unlabelled images beside labelled parts",
        ("stl/{train_images,test_images}/{bird,ship}/1.png", "stl/unlabeled_images/{1,2,3}.png"),
        both("bird ship", 1, 1),
        ("stl/unlabeled_images, unlabelled images of the prediction part",),
    ),
    Layout(
        "an empty class folder",
        ("pets/{cats,dogs}/{1,2}.jpg", "pets/birds/"),
        alone("cat dog", 2),
        ("pets/birds holds no image (no files)",),
    ),
    Layout(
        "an empty folder of a class in one part",
        ("{train,test}/{a,b}/1.png", "train/c/1.png", "test/c/"),
        {"train": {"a": 1, "b": 1, "c": 1}, "test": {"a": 1, "b": 1}},
        ("test/c holds no image (no files).",),
    ),
    Layout(
        "a class in a format that no name says is an image",
        ("{cats,dogs}/{1,2}.jpg", "birds/{1,2}.dcm"),
        alone("cat dog", 2),
        ("birds holds no image (2 .dcm).",),
    ),
    *(
        Layout(f"parts called {names}", (f"{{{names}}}/{{a,b}}/1.png",), both("a b", 1, 1))
        for names in (
            *("TRAIN,TEST", "01_train,02_test", "data_training,data_testing", "train_images,test_images"),
            *(
                "Train-2019,Test-2019",
                "trainset,testset",
                "train,holdout",
                "train,hold-out",
                "train,dev",
                "training,eval",
            ),
            *("dataset_train,dataset_test", "TrainImages,ValImages", "train2017,val2017"),
        )
    ),
]

AMBIGUOUS = [
    Refused(
        "plant diseases in three variants",
        ("plantdisease/{color,grayscale,segmented}/{blight,healthy}/{1,2}.jpg",),
        {
            "source=color": alone("blight healthy", 2),
            "classes=blight,healthy": alone("blight healthy", 6),
            "classes=color,grayscale,segmented": alone("color grayscale segmented", 4),
        },
        ("color, plantdisease/grayscale, plantdisease/segmented may hold the classes (blight, healthy) or be classes",),
    ),
    Refused(
        "plant diseases with train and valid, held twice",
        (
            "New Plant (Augmented)/New Plant/{train,valid}/{rot,rust}/{1,2}.jpg",
            "new plant (augmented)/New Plant/{train,valid}/{rot,rust}/{1,2}.jpg",
            "test/test/Rot1.jpg",
        ),
        {
            "source=New Plant (Augmented)": both("rot rust", 2, 2),
            "source=new plant (augmented)": both("rot rust", 2, 2),
            "classes=rot,rust": both("rot rust", 4, 4),
        },
        ("new plant (augmented) may hold the classes (rot, rust) or be classes themselves",),
    ),
    Refused(
        "brain scans whose classes lie in a folder beside them, too",
        ("{no,yes}/{1,2}.jpg", "brain_tumor_dataset/{no,yes}/{1,2}.jpg"),
        {"source=brain_tumor_dataset": alone("no yes", 2), "classes=no,yes": alone("no yes", 2)},
        ("brain_tumor_dataset may hold the classes (no, yes) or be classes themselves",),
    ),
    Refused(
        "classes in a folder beside another one of images",
        ("flowers/{daisy,rose,tulip}/{1,2}.jpg", "figures/{1,2}.png"),
        {"source=flowers": alone("daisy rose tulip", 2), "classes=figures,flowers": {"": {"figures": 2, "flowers": 6}}},
    ),
    Refused(
        "malaria: the classes lie in a folder of the same name, too",
        ("cell_images{,/cell_images}/{Parasitized,Uninfected}/{1,2}.png",),
        {
            "source=cell_images": alone("Parasitized Uninfected", 2),
            "classes=Parasitized,Uninfected": alone("Parasitized Uninfected", 2),
        },
    ),
    Refused(
        "a test part beside the training classes",
        ("{cats,dogs}/{1,2,3}.jpg", "test/{cats,dogs}/9.jpg"),
        {"source=test": alone("cat dog", 1), "classes=cat,dog": alone("cat dog", 3)},
    ),
    Refused(
        "control and test, each with sub-folders",
        ("{control,test}/{left,right}/{1,2}.jpg",),
        {
            "source=test": alone("left right", 2),
            "source=control": alone("left right", 2),
            "classes=control,test": alone("control test", 4),
        },
    ),
    Refused(
        "domains",
        ("{amazon,dslr,webcam}/images/{bike,mug}/{1,2}.jpg",),
        {
            "source=amazon": alone("bike mug", 2),
            "classes=bike,mug": alone("bike mug", 6),
            "classes=amazon,dslr,webcam": alone("amazon dslr webcam", 4),
        },
    ),
    Refused(
        "years as outer folders",
        ("{2019,2020}/{a,b}/{1,2}.jpg",),
        {
            "source=2019": alone("a b", 2),
            "classes=a,b": alone("a b", 4),
            "classes=2019,2020": alone("2019 2020", 4),
        },
    ),
    Refused(
        "two sets that share one of their classes",
        ("one/{cat,dog}/1.jpg", "two/{cat,fox}/1.jpg"),
        {
            "source=one": alone("cat dog", 1),
            "classes=cat,dog,fox": {"": {"cat": 2, "dog": 1, "fox": 1}},
            "classes=one,two": alone("one two", 2),
        },
    ),
    Refused(
        "female and male, each with the classes",
        ("{female,male}/{sick,well}/{1,2}.jpg",),
        {
            "source=female": alone("sick well", 2),
            "classes=sick,well": alone("sick well", 4),
            "classes=female,male": alone("female male", 4),
        },
    ),
    Refused(
        "names that YAML takes for other things",
        ("{yes,no,1e3}/{aü,b [c]}/1.jpg",),
        {
            "source=1e3": {"": {"aü": 1, "b [c]": 1}},
            "classes=aü,b [c]": {"": {"aü": 3, "b [c]": 3}},
            "classes=1e3,no,yes": alone("1e3 no yes", 2),
        },
    ),
    Refused(
        "names with apostrophes",
        ("{o'brien,smith}/{it's,a b}/1.jpg",),
        {
            "source=o'brien": {"": {"it's": 1, "a b": 1}},
            "classes=a b,it's": {"": {"it's": 2, "a b": 2}},
            "classes=o'brien,smith": alone("o'brien smith", 2),
        },
    ),
    Refused(
        "more classes than anybody types",
        (f"{{x,y}}/{{{','.join(MANY)}}}/1.jpg",),
        {
            "source=x": {"": dict.fromkeys(MANY, 1)},
            f"classes={','.join(MANY)}": {"": dict.fromkeys(MANY, 2)},
            "classes=x,y": alone("x y", 30),
        },
    ),
    Refused(
        "one folder named like a part, beside others",
        ("train/{steam,diesel}/{1,2}.jpg", "car/{1,2}.jpg"),
        {"source=train": alone("diesel steam", 2), "classes=car,train": {"": {"car": 2, "train": 4}}},
    ),
    Refused(
        "classes beside two folders named like parts",
        ("{cat,dog,test,val}/{1,2}.jpg",),
        {"classes=cat,dog": alone("cat dog", 2), "classes=cat,dog,test,val": alone("cat dog test val", 2)},
    ),
    Refused(
        "cameras' file names beside class folders",
        ("IMG.{1,2}.jpg", "DSC.{1,2}.jpg", "{cats,dogs}/{1,2}.jpg"),
        {"classes=DSC,IMG": alone("DSC IMG", 2), "classes=cat,dog": alone("cat dog", 2)},
    ),
]

WITHOUT_CLASSES = [
    Refused(
        "labels in a table",
        ("train/{a,b}{1,2}.jpg", "labels.csv"),
        says=("labels.csv has no rows. It needs a row for each image, with its path and its label",),
    ),
    Refused(
        "pieces of one set with a table of labels",
        ("HAM10000_images_part_{1,2}/ISIC_{1,2}.jpg", "HAM10000_metadata.csv"),
        says=("HAM10000_metadata.csv has no rows",),
    ),
    Refused(
        "Oxford's pets: names without a dot, trimaps",
        ("images/{Abyssinian,beagle}_{1,2}.jpg", "annotations/trimaps/{Abyssinian,beagle}_{1,2}.png"),
    ),
    Refused(
        "an archive beside a preview",
        ("data/photos.zip", "data/preview/{1,2}.jpg"),
        says=("Allowed are", "Archives in it aren't opened: set ingestion.source=", "/data/photos.zip."),
    ),
    Refused(
        "classes named like parts",
        ("{dev,eval,prod}/{1,2}.png",),
        {"classes=dev,eval,prod": alone("dev eval prod", 2)},
        ("If dev, eval, prod are the classes, set ingestion.classes=[dev,eval,prod].",),
    ),
    Refused("segmentation", ("{JPEGImages,SegmentationClass}/{1,2}.png",)),
    Refused("parts without labels", ("{train,test}/{1,2}.png",)),
    Refused("class and part in one name", ("{cats,dogs}_{train,test}/1.jpg",)),
    Refused("two collections with parts, without classes", ("{trainA,trainB,testA,testB}/1.jpg",)),
    Refused("parts of images to predict alone", ("{train,test}/{cat_pred,dog_pred}/1.jpg",)),
    Refused("one class beside images to predict", ("{cats,predictions}/{1,2}.jpg",), says=("no two classes",)),
    Refused("one class in each part", ("{train,test}/cats/1.jpg",), says=("no two classes",)),
]


def expand(pattern: str) -> Iterator[str]:
    """All paths that a pattern with `{a,b}` stands for."""
    pieces = re.split(r"\{(.*?)\}", pattern)
    choices = [[piece] if index % 2 == 0 else piece.split(",") for index, piece in enumerate(pieces)]
    yield from ("".join(chosen) for chosen in itertools.product(*choices))


@pytest.fixture(params=["folder", "zip"])
def place(request: pytest.FixtureRequest, tmp_path: Path):
    """Writes a layout as a folder or a zip, and returns its path."""

    def write(patterns: tuple[str, ...]) -> Path:
        names = [name for pattern in patterns for name in expand(pattern)]
        files = [name for name in names if not name.endswith("/")]
        if request.param == "folder":
            root = write_files(tmp_path / "photos", files)
            for name in names:
                if name.endswith("/"):
                    (root / name).mkdir(parents=True)
            return root
        path = tmp_path / "photos.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"" if name.endswith("/") else name.encode())
        return path

    return write


def counts(source: Source) -> Counts:
    """The content of a source; reads each file, to see that it is the one that is listed."""
    found: Counts = {}
    with source:
        for entry in source.entries():
            assert bytes(source.read(entry)).endswith(entry.path.encode())
            part = found.setdefault(entry.part, {})
            name = source.class_names[entry.label]
            part[name] = part.get(name, 0) + 1
    return found


@pytest.mark.parametrize("layout", KNOWN, ids=lambda layout: layout.kind)
def test_known(place, tmp_path, caplog, layout):
    caplog.set_level(logging.INFO)
    path = place(layout.files)
    assert counts(open_source(parameters(path), tmp_path)) == layout.found
    assert f"Layout of {path}: " in caplog.text
    totals = sum((Counter(part) for part in layout.found.values()), Counter())
    for name, count in totals.items():
        assert f" {name} ({count})" in caplog.text
    for words in layout.says:
        assert words in caplog.text


@pytest.mark.parametrize("layout", AMBIGUOUS, ids=lambda layout: layout.kind)
def test_ambiguous_is_refused_with_values_that_settle_it(place, tmp_path, layout):
    path = place(layout.files)
    with pytest.raises(SourceError) as caught:
        open_source(parameters(path), tmp_path)
    message = caught.value.message
    assert "\n" not in message
    assert all(words in message for words in layout.says)
    settled = {}
    for text in advice(message):
        assert shlex.split(f"'{text}'") == [text]
        ((key, value),) = parse(text)["ingestion"].items()
        changed = {"source": path, key: value}
        name = value.rpartition("/")[2] if key == "source" else ",".join(value)
        settled[f"{key}={name}"] = counts(open_source(parameters(**changed), tmp_path))
    assert settled == layout.settled


def advice(message: str) -> list[str]:
    """The parameters that a message advises, as one gives them to `--params`."""
    return re.findall(r"(ingestion\.(?:source|classes)=.+?) \((?:that|all|these|the)\b", message)


FOLDERS = st.sampled_from(
    [
        "train",
        "test",
        "val",
        "seg_test",
        "cats",
        "dogs",
        "a",
        "b",
        "1",
        "2",
        "images",
        "masks",
        "fold1",
        "fold2",
        "pred",
        "a_train",
    ]
)
PHOTOS = st.sampled_from(["1.jpg", "2.jpg", "cat.1.jpg", "dog.1.jpg", "IMG.1.jpg", "notes.txt"])


@settings(max_examples=300)
@given(st.lists(st.tuples(st.lists(FOLDERS, max_size=4), PHOTOS), min_size=2, max_size=14))
def test_whatever_is_refused_the_advice_works(tree):
    names = sorted({"/".join([*folders, photo]) for folders, photo in tree})
    try:
        found = arrange(names, "there")
    except SourceError as error:
        for text in advice(error.message):
            values = parse(text)["ingestion"]
            if "source" in values:
                below = values["source"].removeprefix("there") + "/"
                inside = [f"/{name}".removeprefix(below) for name in names if f"/{name}".startswith(below)]
                assert len(arrange(inside, "there").class_names) > 1
            else:
                classes = values["classes"]
                assert set(arrange(names, "there", classes=classes).class_names) >= set(classes)
    else:
        if not any(part for _, _, part in found.files):
            beside = defaultdict(set)
            for path, label, _ in found.files:
                *folders, _ = path.split("/")
                for depth, folder in enumerate(folders):
                    if class_name_of(folder) == found.class_names[label]:
                        beside["/".join(folders[:depth])].add(part_of(folder))
            assert all(len(parts & {"train", "validation", "test"}) < 2 for parts in beside.values())


@pytest.mark.parametrize("layout", WITHOUT_CLASSES, ids=lambda layout: layout.kind)
def test_without_classes_is_refused(place, tmp_path, layout):
    path = place(layout.files)
    with pytest.raises(SourceError, match="At least two are needed") as caught:
        open_source(parameters(path), tmp_path)
    assert all(words in caught.value.message for words in layout.says)
    assert ("are the classes, set" in caught.value.message) == bool(layout.settled)
    for names, found in layout.settled.items():
        classes = names.removeprefix("classes=").split(",")
        assert counts(open_source(parameters(path, classes=classes), tmp_path)) == found


def test_a_class_of_the_test_part_alone_is_refused_with_the_classes_that_can_be_learnt(place, tmp_path):
    path = place(("train/{angry,happy,sad}/1.jpg", "test/{angry,happy,surprise}/2.jpg"))
    with pytest.raises(SourceError, match=r"lacks: surprise .* set ingestion\.classes=\[angry,happy,sad\]\.$"):
        open_source(parameters(path), tmp_path)
    found = counts(open_source(parameters(path, classes=["angry", "happy", "sad"]), tmp_path))
    assert found == {"train": {"angry": 1, "happy": 1, "sad": 1}, "test": {"angry": 1, "happy": 1}}


def test_the_log_shows_names_in_brackets(place, tmp_path):
    shown = io.StringIO()
    configured = yaml.safe_load((PROJECT / "conf/logging.yml").read_text())["handlers"]["rich"]
    del configured["class"]
    handler = RichHandler(console=Console(file=shown, width=1000), **configured)
    logger = logging.getLogger("dogs_vs_cats")
    logger.addHandler(handler)
    try:
        open_source(parameters(place(("{control,[bold],test}/1.png",))), tmp_path)
    finally:
        logger.removeHandler(handler)
    assert "not as parts of a dataset: test" in shown.getvalue()
    assert 'ingestion.classes=["[bold]",control] leaves it out' in shown.getvalue()


@pytest.mark.parametrize("inside", ["b/deep", "b/deep/"])
def test_a_folder_in_a_zip_is_read_like_that_folder(tmp_path, inside):
    names = ["a/1.jpg", "b/deep/cats/1.jpg", "b/deep/dogs/2.jpg", "b/deeper/1.jpg"]
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name in names:
            archive.writestr(name, name)
    with open_source(parameters(f"photos.zip/{inside}"), tmp_path) as source:
        assert [entry.path for entry in source.entries()] == ["cats/1.jpg", "dogs/2.jpg"]
        assert source.read(source.entries()[1]) == b"b/deep/dogs/2.jpg"
    with open_source(parameters("photos.zip/b"), tmp_path, labelled=False) as source:
        assert [entry.path for entry in source.entries()] == ["deep/cats/1.jpg", "deep/dogs/2.jpg", "deeper/1.jpg"]
    with pytest.raises(
        SourceError, match=r"There is no folder .*photos\.zip/c; at the archive's top there are a, b\.$"
    ):
        open_source(parameters("photos.zip/c"), tmp_path)


def test_an_archive_in_an_archive_is_opened_where_the_source_names_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "inner.zip", "w") as archive:
        for name in expand("{color,grey}/{a,b}/1.png"):
            archive.writestr(name, name)
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "inner.zip", "more/inner.zip")
    with pytest.raises(SourceError) as caught:
        open_source(parameters("outer.zip"), tmp_path)
    value = re.search(r"ingestion\.source=(\S+)\.$", caught.value.message)
    assert value is not None
    with pytest.raises(SourceError) as caught:
        open_source(parameters(value[1]), tmp_path)
    source = parse(advice(caught.value.message)[0])["ingestion"]["source"]
    assert counts(open_source(parameters(source), tmp_path)) == alone("a b", 1)


def test_advice_on_archives_in_a_folder_names_the_labelled_one(tmp_path):
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        for name in expand("train/{cat,dog}.{0,1}.jpg"):
            archive.writestr(name, name)
    (tmp_path / "test1.zip").write_bytes(b"")
    with pytest.raises(SourceError) as caught:
        open_source(parameters(tmp_path), tmp_path)
    assert "test1" not in caught.value.message
    (value,) = re.findall(r"ingestion\.source=(\S+)\.$", caught.value.message)
    assert counts(open_source(parameters(value), tmp_path)) == alone("cat dog", 2)


def test_a_spreadsheet_as_source_is_refused_by_name(tmp_path):
    (tmp_path / "labels.xlsx").write_bytes(b"PK")
    with pytest.raises(SourceError, match=r"labels\.xlsx is neither a folder, .* save other tables as \.csv"):
        open_source(parameters("labels.xlsx"), tmp_path)


def test_classes_that_are_not_selected_are_named(place, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    source = open_source(parameters(place(("{a,b,c}/{1,2}.jpg",)), classes=["c", "a"]), tmp_path)
    assert counts(source) == alone("c a", 2)
    assert "Ignored b (2): ingestion.classes names other classes" in caplog.text


def test_a_name_with_thousands_of_folders(place, tmp_path):
    deep = "/".join(["x"] * 500)
    assert counts(open_source(parameters(place((f"{{a,b}}/{deep}/{{1,2}}.jpg",))), tmp_path)) == alone("a b", 2)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        *((name, "train") for name in ("train", "TRAIN_2", "seg_train", "trainData", "my training set", "fold10")),
        *((name, "test") for name in ("test1", "rps-test-set", "hold_out", "TestSet", "evaluation")),
        *((name, "validation") for name in ("val", "Validation-Images", "dev", "valid")),
        *((name, "prediction") for name in ("seg_pred", "test_unlabelled", "predictions")),
        *((name, "") for name in ("contest", "strain", "valley", "latest", "fold", "car_part", "train_test", "猫", "")),
    ],
)
def test_parts_by_name(name, part):
    assert part_of(name) == part
