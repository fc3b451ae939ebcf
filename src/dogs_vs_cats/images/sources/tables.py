"""Labels in a table: a `.csv` file with a row for each image.

Columns are detected by the words in their headers: one names the image (`path`, `file`, `image_id`, …), one its class
(`label`, `class`, `breed`, …), and a third may name its part (`split`, `part`, …). An image is named by its path, by
the end of its path, or by its file name without the extension, as in Kaggle's tables. A path is relative to the
table's folder. Unicode's composed and decomposed forms of a name are the same, unless there are files of both.
"""

import logging
import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from dogs_vs_cats.errors import SourceError, listed
from dogs_vs_cats.images.sources.names import (
    TEST,
    TRAIN,
    VALIDATION,
    class_name_of,
    column_role,
    composed,
    has_image_name,
    natural_key,
    part_of,
)
from dogs_vs_cats.images.sources.table_files import as_path, parsed
from dogs_vs_cats.parameters.command_line import as_yaml

logger = logging.getLogger(__name__)

_ADVICE = "Set ingestion.columns to the headers of the image and its class, as in ingestion.columns=[file,breed]"
_PARTS = (TRAIN, VALIDATION, TEST)
_TRIED = 100
"""This many names at the beginning of a column show whether it names files."""


class LabelTable:
    """A table of images and their classes.

    Args:
        data: The content of the file.
        where: Its name in messages.
        columns: `ingestion.columns`: the headers of the image, the class and perhaps the part; None detects them.
        folder: Path of the folder that paths are relative to, to which absolute paths become relative ones; empty in an
            archive.
        group: Header of the column that groups the images, unless the table lacks it.

    Attributes:
        groups: The group of each image, by its path, once `rows` has found the images.
        missing: The images that weren't found, as the table names them.

    Raises:
        SourceError: It isn't a table in UTF-8, or its columns aren't clear.
    """

    def __init__(
        self, data: bytes, where: str, columns: Sequence[str] | None, folder: str = "", group: str | None = None
    ) -> None:
        self.where = where
        self.groups: dict[str, str] = {}
        self.missing: list[str] = []
        self._frame = parsed(data, where, "path,label")
        self._group = group if group in self._frame else None
        if self._frame.empty:
            raise SourceError(f"{where} has no rows. It needs a row for each image, with its path and its label.")
        if columns is None:
            self._detect()
        elif unknown := [name for name in columns if name not in self._frame]:
            raise SourceError(
                f"ingestion.columns names {listed(unknown)}, which {where} lacks; its columns are {self._headers()}."
            )
        else:
            self._images, self._label = [columns[0]], columns[1]
            self._part = columns[2] if len(columns) > 2 else None
        for name in self._images:
            self._frame[name] = [as_path(text, folder) for text in self._frame[name]]

    @property
    def columns(self) -> list[str]:
        """The headers of the table."""
        return [str(header) for header in self._frame]

    def names(self, is_file: Callable[[str], bool]) -> list[str] | None:
        """The images as the table names them; None if `is_file` knows none of them.

        Raises:
            SourceError: Several columns name files.
        """
        found = [name for name in self._images if any(text and is_file(text) for text in self._frame[name][:_TRIED])]
        if len(found) > 1:
            raise SourceError(f"{self.where} has several columns that name files: {listed(found)}. {_ADVICE}.")
        self._images = found or self._images
        if not self._label and len(self._images) == 1:
            self._label = next(str(name) for name in self._frame if name not in self._images)
        return [text for text in self._frame[found[0]].unique() if text] if found else None

    def rows(self, files: Iterable[str], *, by_path: bool = False) -> list[tuple[str, str, str]]:
        """Finds the images among some files.

        Args:
            files: Their paths.
            by_path: Whether the table names images by these paths, and not by parts of them.

        Returns:
            (path, class, part) of each image, in natural order of the paths; the part is `train`, `test` or empty.

        Raises:
            SourceError: No images can be found, or images have no class or two, or there are fewer than two classes.
        """
        finder = _Finder(files, by_path=by_path)
        self.names(lambda name: bool(finder.find(name)))
        if len(self._images) > 1:
            raise SourceError(f"No column of {self.where} ({self._headers()}) names files in its folder. {_ADVICE}.")
        image = self._images[0]
        logger.info(
            "%s: column %s names the images, and column %s the classes; ingestion.columns sets other columns.",
            self.where,
            image,
            self._label,
        )
        self._check_gaps(image)
        paths = self._paths(image, finder)
        labels = [class_name_of(label) for label in self._frame[self._label]]
        groups = self._frame[self._group].str.strip().tolist() if self._group else ""
        table = pd.DataFrame({"path": paths, "label": labels, "part": self._parts(image), "group": groups})
        table = table[table["path"] != ""].drop_duplicates()
        self._report_missing(image, table)
        self._check_classes(table)
        self.groups = dict(zip(table["path"], table["group"], strict=True)) if self._group else {}
        rows = table[["path", "label", "part"]].itertuples(index=False, name=None)
        return sorted(rows, key=lambda row: natural_key(row[0]))

    def _detect(self) -> None:
        """Finds the columns by their headers."""
        roles: dict[str, list[str]] = defaultdict(list)
        for header in self._frame.columns.drop(self._group or [], errors="ignore"):
            roles[column_role(str(header))].append(str(header))
        images, labels, others = roles["image"], roles["label"], roles[""]
        if not labels and len(self._frame.columns) == 2:
            # Whatever their headers: the class is in the column that doesn't name files.
            images, labels = images or others, [""]
        if len(labels) != 1:
            problem = f"{listed(labels)} may all be the class" if labels else "no header says which is the class"
            raise SourceError(f"{self.where} has the columns {self._headers()}: {problem}{self._beside()}. {_ADVICE}.")
        self._label = labels[0]
        self._images = images or others
        if not self._images:
            raise SourceError(
                f"{self.where} has the columns {self._headers()}: none names images{self._beside()}. {_ADVICE}."
            )
        if len(roles["part"]) > 1:
            columns = ",".join(as_yaml(name) for name in (self._images[0], self._label, roles["part"][0]))
            raise SourceError(
                f"{self.where} has the columns {self._headers()}: {listed(roles['part'])} may all be the part. Set "
                "ingestion.columns to the headers of the image, its class and its part, as in "
                f"ingestion.columns=[{columns}], or leave out the third to ignore parts."
            )
        self._part = next(iter(roles["part"]), None)

    def _check_gaps(self, image: str) -> None:
        """Refuses rows without an image or a class."""
        for column, lack in ((image, "name no image"), (self._label, "have no label")):
            empty = self._frame[column].str.strip() == ""
            if empty.any():
                first = self._frame.index[int(empty.to_numpy().argmax())]
                raise SourceError(
                    f"{int(empty.sum()):,} of the {len(empty):,} rows of {self.where} {lack} (column {column}); the "
                    f"first is row {first + 2}, counted with the headers. Complete or delete these rows."
                )

    def _paths(self, image: str, finder: "_Finder") -> list[str]:
        """The file of each row, empty where there is none; refuses names of several."""
        names = self._frame[image].tolist()
        found = [finder.find(name) for name in names]
        self.missing = [name for name, files in zip(names, found, strict=True) if not files]
        if unclear := [(name, files) for name, files in zip(names, found, strict=True) if len(files) > 1]:
            raise SourceError(
                f"{len(unclear):,} of the {len(names):,} names in {self.where} fit several files; the first, "
                f"{unclear[0][0]}, fits {listed(unclear[0][1], 2)}. Write their paths from the folder of the table."
            )
        return [files[0] if files else "" for files in found]

    def _report_missing(self, image: str, found: pd.DataFrame) -> None:
        """Refuses a table whose images are missing but for those of one class, and warns of one that names some."""
        if not self.missing:
            return
        problem = (
            f"{len(self.missing):,} of the {len(self._frame):,} images that {self.where} names aren't there; the first "
            f"is {self.missing[0]}"
        )
        if found["label"].nunique() < 2:
            raise SourceError(
                f"{problem}. Paths are relative to the folder of the table, or to ingestion.images: correct them "
                f"(column {image}), add the files, or delete these rows."
            )
        logger.warning("%s. rejected_images.csv lists them.", problem)

    def _check_classes(self, table: pd.DataFrame) -> None:
        """Refuses images with several classes, and columns that hold no classes."""
        if (again := table["path"].duplicated()).any():
            path = table["path"][again].iloc[0]
            rows = table.loc[table["path"] == path, ["label", "part", "group"]].to_numpy()
            given = [" ".join(filter(None, row)) for row in rows]
            raise SourceError(
                f"{int(again.sum()):,} rows of {self.where} contradict an earlier one; the first are of {path} "
                f"({listed(given)}). An image has one class, one part and one group: delete the wrong rows."
            )
        counts = table["label"].value_counts()
        if len(counts) < 2 or counts.max() == 1:
            kinds = "the same in every row" if len(counts) < 2 else "different in every row"
            raise SourceError(
                f"The label in {self.where} (column {self._label}) is {kinds}. At least two classes are needed, with "
                f"several images each. {_ADVICE}."
            )

    def _parts(self, image: str) -> list[str] | str:
        """The part of each row; empty where the table has no column for it, or one that holds something else.

        Raises:
            SourceError: Some values of the column are names of parts, and others aren't.
        """
        if self._part is None:
            return ""
        values = [" ".join(value.split()) for value in self._frame[self._part]]
        parts = [part_of(value) for value in values]
        numbered = zip(self._frame.index + 2, values, parts, strict=True)
        if odd := [(row, value) for row, value, part in numbered if part not in _PARTS]:
            shown = [f"row {row} ({value or 'empty'})" for row, value in odd]
            if len(odd) < len(parts):
                raise SourceError(
                    f"{len(odd):,} of the {len(parts):,} rows of {self.where} name no part (column {self._part}): "
                    f"{listed(shown, 3)}, counted with the headers. Allowed are {listed(_PARTS)}. Correct or delete "
                    f"these rows, or ignore the column by ingestion.columns=[{as_yaml(image)},{as_yaml(self._label)}]."
                )
            different = sorted({value or "empty" for value in values}, key=natural_key)
            logger.warning(
                "%s: column %s is ignored, because none of its values is a part (%s): %s.",
                *(self.where, self._part, listed(_PARTS), listed(different)),
            )
            return ""
        held_out = TEST if TEST in parts else VALIDATION
        joined = "; its validation images count as training images, of which validation is drawn"
        hint = joined if {VALIDATION, TEST} <= set(parts) else ""
        logger.info("%s: column %s names the parts%s.", self.where, self._part, hint)
        return ["test" if part == held_out else "train" for part in parts]

    def _beside(self) -> str:
        """Says which column can't be that of the image or its class, because it is that of the group."""
        return f", beside {self._group}, which ingestion.group names" if self._group else ""

    def _headers(self) -> str:
        return listed(self.columns, 8)


class _Finder:
    """Finds files by their path, by the end of it, or by that without the extension.

    Args:
        files: The paths.
        by_path: Whether only whole paths count.
    """

    def __init__(self, files: Iterable[str], *, by_path: bool) -> None:
        self._files = set(files)
        self._by_path = by_path
        self._named: dict[str, list[str]] = defaultdict(list)
        for path in self._files:
            name = composed(path) if by_path else posixpath.basename(_folded(path))
            self._named[name].append(path)
            if not by_path and has_image_name(name):
                self._named[posixpath.splitext(name)[0]].append(path)

    def find(self, name: str) -> list[str]:
        """All files that a name may mean; where one of several lies in a training part, that one."""
        if name in self._files:
            return [name]
        if self._by_path:
            return self._named.get(composed(name), [])
        ending = _folded(f"/{name}")
        found = [
            path
            for path in self._named.get(posixpath.basename(ending), ())
            if _folded(f"/{path}").endswith(ending) or _folded(f"/{posixpath.splitext(path)[0]}").endswith(ending)
        ]
        if len(found) < 2:
            return found
        training = [path for path in found if any(part_of(step) == TRAIN for step in path.split("/")[:-1])]
        return sorted(training if len(training) == 1 else found, key=natural_key)


def _folded(path: str) -> str:
    """A path in one form for all spellings by upper and lower case, and by composed and decomposed letters."""
    return composed(path).casefold()
